using System.Collections.Concurrent;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace UserSvc.Tests.Edge;

/// <summary>A request as an upstream has received it, body and all.</summary>
internal sealed record Received(string Method, string Target, string Path, IReadOnlyDictionary<string, string> Headers, int BodyLength);

/// <summary>A real server behind the edge. It answers <c>/health</c> and, with its name unless told otherwise, everything else.</summary>
internal sealed class Upstream : IAsyncDisposable
{
    private readonly WebApplication _app;
    private int _probes;

    private Upstream(string name, RequestDelegate? answer, HttpProtocols protocols, X509Certificate2? certificate, int streams)
    {
        Name = name;
        // Empty: the folder of the tests holds the services' appsettings.json.
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration().ConfigureKestrel(o =>
        {
            o.AddServerHeader = false;
            o.Limits.Http2.MaxStreamsPerConnection = streams;
            // Headers as they are, one character a byte.
            o.RequestHeaderEncodingSelector = _ => Encoding.Latin1;
            o.ResponseHeaderEncodingSelector = _ => Encoding.Latin1;
            o.ConfigureEndpointDefaults(listener => listener.Protocols = protocols);
            o.ConfigureHttpsDefaults(https => https.ServerCertificate = certificate);
        });
        // A test's held request must not hold its end.
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.Zero);
        _app = builder.Build();
        _app.Urls.Add(certificate is null ? "http://127.0.0.1:0" : "https://127.0.0.1:0");
        _app.Run(context => context.Request.Path == "/health" ? ProbedAsync(context) : ReceivedAsync(context, answer));
    }

    public string Name { get; }

    public string Address => _app.Urls.Single();

    public bool Healthy { get; set; } = true;

    /// <summary>Whether probes are answered. If not, the connection is aborted, which the edge notices at once.</summary>
    public bool Probeable { get; set; } = true;

    public int Probes => Volatile.Read(ref _probes);

    public ConcurrentQueue<Received> Requests { get; } = [];

    /// <param name="name">Its own, and its answer.</param>
    /// <param name="answer">Writes another answer.</param>
    /// <param name="protocols">What it speaks.</param>
    /// <param name="certificate">Null for cleartext.</param>
    /// <param name="streams">How many requests an HTTP/2 connection may carry at a time.</param>
    public static async Task<Upstream> StartAsync(
        string name = "usersvc-1", RequestDelegate? answer = null, HttpProtocols protocols = HttpProtocols.Http1, X509Certificate2? certificate = null, int streams = 100)
    {
        var upstream = new Upstream(name, answer, protocols, certificate, streams);
        await upstream._app.StartAsync(TestContext.Current.CancellationToken);
        return upstream;
    }

    public Task StopAsync() => _app.StopAsync(TestContext.Current.CancellationToken);

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private Task ProbedAsync(HttpContext context)
    {
        Interlocked.Increment(ref _probes);
        if (!Probeable)
        {
            context.Abort();
        }

        context.Response.StatusCode = Healthy ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        return Task.CompletedTask;
    }

    private async Task ReceivedAsync(HttpContext context, RequestDelegate? answer)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        Requests.Enqueue(new(
            context.Request.Method,
            context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget,
            context.Request.Path,
            context.Request.Headers.ToDictionary(h => h.Key, h => h.Value.ToString(), StringComparer.OrdinalIgnoreCase),
            (int)body.Length));
        await (answer?.Invoke(context) ?? context.Response.WriteAsync(Name, context.RequestAborted));
    }
}
