using System.Net;
using Yarp.ReverseProxy.Configuration;

// Floor yarp|invoker UPSTREAM...: forwards to the upstreams in turn and does nothing else, to show what the libraries alone cost a request.
var upstreams = args[1..];
var builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders();
if (args[0] == "yarp")
{
    builder.Services.AddReverseProxy().LoadFromMemory(
        [new() { RouteId = "all", ClusterId = "all", Match = new() { Path = "/{**rest}" } }],
        [
            new()
            {
                ClusterId = "all",
                LoadBalancingPolicy = "RoundRobin",
                HttpRequest = new() { Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact },
                Destinations = upstreams.ToDictionary(upstream => upstream, upstream => new DestinationConfig { Address = upstream }),
            },
        ]);
}

var app = builder.Build();
if (args[0] == "yarp")
{
    app.MapReverseProxy();
}
else
{
    var invoker = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false, UseCookies = false, AllowAutoRedirect = false, ActivityHeadersPropagator = null });
    var turn = 0u;
    app.Run(async context =>
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, upstreams[Interlocked.Increment(ref turn) % upstreams.Length] + context.Request.Path);
        using var answer = await invoker.SendAsync(request, context.RequestAborted);
        context.Response.StatusCode = (int)answer.StatusCode;
        context.Response.ContentType = answer.Content.Headers.ContentType?.ToString();
        context.Response.ContentLength = answer.Content.Headers.ContentLength;
        await answer.Content.CopyToAsync(context.Response.Body, context.RequestAborted);
    });
}

app.Run();
