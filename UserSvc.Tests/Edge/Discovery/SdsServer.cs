using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace UserSvc.Tests.Edge.Discovery;

/// <summary>A registration service with a given answer.</summary>
internal sealed class SdsServer : IAsyncDisposable
{
    private readonly WebApplication _app;

    private SdsServer()
    {
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore();
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.Zero);
        _app = builder.Build();
        _app.Urls.Add("http://127.0.0.1:0");
        _app.Run(async context =>
        {
            Asked.Enqueue(context.Request.Path);
            await Answer(context);
        });
    }

    /// <summary>Where it listens: <c>127.0.0.1:port</c>.</summary>
    public string Authority => new Uri(_app.Urls.Single()).Authority;

    public RequestDelegate Answer { get; set; } = context => context.Response.WriteAsync(string.Empty);

    public ConcurrentQueue<string> Asked { get; } = [];

    public static async Task<SdsServer> StartAsync(string body)
    {
        var server = new SdsServer();
        server.AnswerWith(body);
        await server._app.StartAsync(TestContext.Current.CancellationToken);
        return server;
    }

    public void AnswerWith(string body, int status = StatusCodes.Status200OK) => Answer = context =>
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        return context.Response.WriteAsync(body);
    };

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}
