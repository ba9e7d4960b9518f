using System.Diagnostics;
using UserSvc.AppHost.Postgres;
using UserSvc.AppHost.Processes;
using UserSvc.AppHost.Topology;

namespace UserSvc.AppHost.Standalone;

/// <summary>
/// The AppHost's topology as plain processes: PostgreSQL, the instances, their sidecars where asked for, the edge before them and, where
/// there is one, the dashboard. Disposal stops them in the order edge, instances with their sidecars, dashboard, PostgreSQL, within ten
/// seconds whatever they do.
/// </summary>
internal sealed class LocalSystem(TopologyOptions options, LocalState state, Journal journal) : IAsyncDisposable
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan ServiceGrace = TimeSpan.FromSeconds(2.5);
    private static readonly TimeSpan DashboardGrace = TimeSpan.FromSeconds(0.5);

    private readonly Leftovers _leftovers = new(Path.Combine(state.StateFolder, "children"));
    private readonly Dashboard? _dashboard = options.Dashboard ? Dashboard.Find(state.StateFolder) : null;
    private readonly List<Child> _instances = [];
    private PostgresServer? _postgres;
    private Child? _edge;
    private Child? _dashboardProcess;

    public string? DashboardUrl => _dashboard?.Url;

    /// <exception cref="LaunchException">The edge is not ready in time; what the processes wrote tells why.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await _leftovers.EndAsync(line => journal.Write("apphost", line));
        state.RequireFreePorts();
        if (_dashboard is not null)
        {
            _dashboardProcess = Start("dashboard", _dashboard.Command);
        }

        _postgres = await PostgresServer.StartAsync(state.Postgres(line => journal.Write("postgres", line)), cancellationToken);
        var destinations = new List<(string Name, string Address)>();
        for (var i = 1; i <= options.Replicas; i++)
        {
            var (name, port) = ($"usersvc-{i}", Ports.Free());
            _instances.Add(Start(name, [Program("UserSvc.Api")],
                ("Listen__LoopbackPort", $"{port}"),
                ("ConnectionStrings__users", _postgres.ConnectionString("users")),
                ("Admin__Key", state.AdminKey)));
            destinations.Add((name, $"http://127.0.0.1:{port}"));
            if (options.Sidecars)
            {
                var sidecar = Sidecar.Of(name);
                _instances.Add(Start(sidecar.Name, [Program("UserSvc.Edge")], sidecar.Environment(destinations[^1].Address)));
                destinations[^1] = (sidecar.Name, sidecar.Address);
            }
        }

        await Task.WhenAll(destinations.Select(destination => AnswersAsync($"{destination.Address}/health", cancellationToken)));
        _edge = Start("edge", [Program("UserSvc.Edge")],
        [
            ("Kestrel__Endpoints__Http__Url", $"http://{options.BindAddress}:{options.Port}"),
            ("Kestrel__Endpoints__Health__Url", $"http://127.0.0.1:{options.HealthPort}"),
            ("Kestrel__Endpoints__Admin__Url", $"http://127.0.0.1:{options.AdminPort}"),
            .. state.EdgeTls,
            .. destinations.Select(destination => ($"ReverseProxy__Clusters__usersvc__Destinations__{destination.Name}__Address", destination.Address)),
        ]);
        await AnswersAsync($"http://127.0.0.1:{options.HealthPort}/ready", cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await (_edge?.DisposeAsync() ?? ValueTask.CompletedTask);
        await Task.WhenAll(_instances.Select(instance => instance.DisposeAsync().AsTask()));
        await (_dashboardProcess?.DisposeAsync() ?? ValueTask.CompletedTask);
        await (_postgres?.DisposeAsync() ?? ValueTask.CompletedTask);
    }

    private static string Program(string project) => Path.ChangeExtension(TopologyOptions.BuildFact(project), null);

    private Child Start(string name, IReadOnlyList<string> command, params IEnumerable<(string Name, string Value)> environment)
    {
        var start = Command.InOwnSession(command);
        // Where a service's appsettings.json lies beside it.
        start.WorkingDirectory = Path.GetDirectoryName(command[0]);
        // What the launch profile says is the Aspire AppHost's: its address, and its dashboard, which the standalone one refuses.
        foreach (var profiles in start.Environment.Keys.Where(key => key == "ASPNETCORE_URLS" || key.StartsWith("ASPIRE_", StringComparison.Ordinal)).ToList())
        {
            start.Environment.Remove(profiles);
        }

        start.Environment["DOTNET_ROOT"] = Path.GetFullPath(Path.Combine(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory(), "../../.."));
        start.Environment["ASPNETCORE_ENVIRONMENT"] = "Development";
        start.Environment["Instance__Name"] = name;
        start.Environment["Instance__Address"] = "127.0.0.1";
        start.Environment["Drain__Time"] = "00:00:01";
        // edge, usersvc-2, usersvc-2-sidecar: the dashboard shows service and instance, as usersvc-sidecar-2.
        var parts = name.Split('-');
        start.Environment["OTEL_SERVICE_NAME"] = parts.Length > 2 ? $"{parts[0]}-{parts[2]}" : parts[0];
        start.Environment["OTEL_RESOURCE_ATTRIBUTES"] = $"service.instance.id={parts[Math.Min(1, parts.Length - 1)]}";
        start.Environment["OTEL_TRACES_SAMPLER"] = "always_on";
        if (_dashboard is not null)
        {
            start.Environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = _dashboard.OtlpEndpoint;
            // As Aspire sets them: a person is looking.
            start.Environment["OTEL_BSP_SCHEDULE_DELAY"] = start.Environment["OTEL_BLRP_SCHEDULE_DELAY"] = "1000";
            start.Environment["OTEL_METRIC_EXPORT_INTERVAL"] = "1000";
        }

        foreach (var (key, value) in environment)
        {
            start.Environment[key] = value;
        }

        var child = new Child(name, start, name == "dashboard" ? DashboardGrace : ServiceGrace, journal, _leftovers);
        child.Start();
        return child;
    }

    private static async Task AnswersAsync(string url, CancellationToken cancellationToken)
    {
        using var client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = TimeSpan.FromSeconds(2) };
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        for (var elapsed = Stopwatch.StartNew(); elapsed.Elapsed < StartTimeout; await tick.WaitForNextTickAsync(cancellationToken))
        {
            try
            {
                using var answer = await client.GetAsync(new Uri(url), cancellationToken);
                if (answer.IsSuccessStatusCode)
                {
                    return;
                }
            }
            catch (Exception failure) when (failure is HttpRequestException || (failure is TaskCanceledException && !cancellationToken.IsCancellationRequested))
            {
                // Not listening yet.
            }
        }

        throw new LaunchException($"{url} is not ready after {StartTimeout.TotalSeconds:0} s: see what was written above.");
    }
}
