using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using UserSvc.Edge.Resilience;
using Yarp.ReverseProxy;

namespace UserSvc.Tests.Edge;

/// <summary>Runs the edge's Program and appsettings.json on a real Kestrel, as <c>edge-1</c> at 127.0.0.1, on free ports.</summary>
internal sealed class EdgeHost : IAsyncDisposable
{
    public const string Probing = "ReverseProxy:Clusters:usersvc:HealthCheck:Active";
    public const string Passive = "ReverseProxy:Clusters:usersvc:HealthCheck:Passive";
    public const string Metadata = "ReverseProxy:Clusters:usersvc:Metadata";
    public const string HttpRequest = "ReverseProxy:Clusters:usersvc:HttpRequest";
    public const string ConnectTimeout = $"{Metadata}:ConnectTimeout";
    public const string AttemptTimeout = $"{Metadata}:Retry.AttemptTimeout";
    public const string RouteTimeout = "ReverseProxy:Routes:user:Timeout";

    /// <summary>The value that leaves one of the limits in <see cref="Patience"/> to the edge's files.</summary>
    public const string AsShipped = "as shipped";

    /// <summary>
    /// Limits of the edge that a busy machine or a test's many clients would exceed: a minute each, or none, unless a test sets one. Only a test of the limit itself sets it lower.
    /// </summary>
    public static readonly (string Key, string Value)[] Patience =
    [
        .. ((string[])
        [
            $"{Probing}:Timeout", $"{HttpRequest}:ActivityTimeout", ConnectTimeout, AttemptTimeout, RouteTimeout, "Drain:Grace",
            "Kestrel:Limits:RequestHeadersTimeout", "Edge:Discovery:Dns:Timeout", "Edge:Discovery:Sds:Timeout", "Edge:Discovery:Kubernetes:Timeout",
        ]).Select(limit => (limit, "00:01:00")),
        // All clients of a test have one address.
        ("Edge:Connections:AddressPerSecond", "0"),
    ];

    private readonly WebApplication _app;

    private EdgeHost(WebApplication app, LogLines log)
    {
        _app = app;
        Log = log;
        Admin = new() { BaseAddress = Address("Admin") };
        Health = new() { BaseAddress = Address("Health") };
        Public = new() { BaseAddress = Address("Http") };
    }

    public static string ContentRoot { get; } = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(SourceFile())!, "../../UserSvc.Edge"));

    public IServiceProvider Services => _app.Services;

    public HttpClient Public { get; }

    public HttpClient Health { get; }

    public HttpClient Admin { get; }

    public LogLines Log { get; }

    /// <summary>The edge over these upstreams, once it is ready.</summary>
    public static Task<EdgeHost> ReadyAsync(IEnumerable<Upstream> upstreams, params IEnumerable<(string Key, string Value)> settings) =>
        ReadyAsync(null, upstreams, settings);

    /// <summary>The same, with the test's clock.</summary>
    public static async Task<EdgeHost> ReadyAsync(TimeProvider? time, IEnumerable<Upstream> upstreams, params IEnumerable<(string Key, string Value)> settings)
    {
        var edge = await StartAsync(time, upstreams.Select(u => (u.Name, u.Address)), settings);
        await Eventually.HoldsAsync(async () => (await edge.Health.GetAsync("/ready", TestContext.Current.CancellationToken)).IsSuccessStatusCode);
        return edge;
    }

    public static Task<EdgeHost> StartAsync(IEnumerable<(string Name, string Address)> destinations, params IEnumerable<(string Key, string Value)> settings) =>
        StartAsync(null, destinations, settings);

    public static async Task<EdgeHost> StartAsync(TimeProvider? time, IEnumerable<(string Name, string Address)> destinations, params IEnumerable<(string Key, string Value)> settings)
    {
        var app = UserSvc.Edge.Program.Build(Arguments([("Logging:Console:LogLevel:Default", "None"), ("Edge:AccessLog:Requests", "None"), ("Edge:AccessLog:File", "/dev/null"), ("Drain:Time", "00:00:00"), .. settings], destinations), time);
        var log = new LogLines();
        app.Services.GetRequiredService<ILoggerFactory>().AddProvider(log);
        try
        {
            await app.StartAsync(TestContext.Current.CancellationToken);
            return new(app, log);
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }

    public static string[] Arguments(IEnumerable<(string Key, string Value)> settings, params IEnumerable<(string Name, string Address)> destinations) =>
    [
        $"--contentRoot={ContentRoot}",
        "--environment=Production",
        "--Instance:Name=edge-1",
        "--Instance:Address=127.0.0.1",
        "--Kestrel:Endpoints:Http:Url=http://127.0.0.1:0",
        "--Kestrel:Endpoints:Admin:Url=http://127.0.0.1:0",
        "--Kestrel:Endpoints:Health:Url=http://127.0.0.1:0",
        .. Patience.ExceptBy(settings.Select(s => s.Key), limit => limit.Key).Select(limit => $"--{limit.Key}={limit.Value}"),
        .. destinations.Select(d => $"--ReverseProxy:Clusters:usersvc:Destinations:{d.Name}:Address={d.Address}"),
        .. settings.Where(s => s.Value != AsShipped).Select(s => $"--{s.Key}={s.Value}"),
    ];

    /// <summary>The number of destinations that a health check considers unhealthy.</summary>
    public int Unhealthy() => _app.Services.GetRequiredService<IProxyStateLookup>().GetClusters()
        .Sum(c => c.DestinationsState.AllDestinations.Count(PanicThreshold.IsUnhealthy));

    /// <summary>How many destinations get requests. YARP updates this shortly after a destination's health.</summary>
    public int Available() => _app.Services.GetRequiredService<IProxyStateLookup>().GetClusters().Sum(c => c.DestinationsState.AvailableDestinations.Count);

    /// <summary>Where the listener of this name listens.</summary>
    public Uri Address(string listener) =>
        // Listeners are bound in the order of their names.
        new(_app.Configuration.GetSection("Kestrel:Endpoints").GetChildren().Zip(_app.Urls).Single(bound => bound.First.Key == listener).Second);

    /// <summary>As SIGTERM stops it: the task ends when the edge has.</summary>
    public Task StopAsync() => _app.StopAsync(TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        Public.Dispose();
        Health.Dispose();
        Admin.Dispose();
        // At once, requests in flight too. Disposing alone would leave discovery running, and its next request would reach another test's server.
        await _app.StopAsync(new CancellationToken(canceled: true)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _app.DisposeAsync();
    }

    private static string SourceFile([CallerFilePath] string path = "") => path;
}
