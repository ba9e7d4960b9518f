using UserSvc.AppHost.Postgres;
using UserSvc.AppHost.Processes;
using UserSvc.Tests.Edge;

namespace UserSvc.Tests.Chaos;

/// <summary>PostgreSQL, the instances usersvc-1 to usersvc-3, and an edge that has them in its configuration, each as a process.</summary>
internal sealed class ChaosSystem : IAsyncDisposable
{
    public static readonly string[] All = ["usersvc-1", "usersvc-2", "usersvc-3"];

    private readonly Dictionary<string, ServiceProcess> _instances = [];
    private readonly Dictionary<string, Uri> _addresses = [];
    private readonly string _folder = Directory.CreateTempSubdirectory("usersvc-chaos-").FullName;
    private readonly ProductTime _time;
    private readonly IReadOnlyList<(string Key, string Value)> _settings;

    private ChaosSystem(PostgresServer postgres, ProductTime time, IReadOnlyList<(string, string)> settings) => (Postgres, _time, _settings) = (postgres, time, settings);

    /// <summary>On Linux every instance listens on this port, each on a different address.</summary>
    public static int InstancePort { get; } = Ports.Free();

    public PostgresServer Postgres { get; }

    public string Database => Postgres.ConnectionString("users") + _time.Database;

    public Proxy Edge { get; private set; } = null!;

    /// <summary>The instance of that name. Its first use creates it, but does not start it.</summary>
    public ServiceProcess this[string name] => _instances.TryGetValue(name, out var instance) ? instance : Add(name);

    /// <param name="time">The limits of edges and instances.</param>
    /// <param name="settings">The instances' other settings.</param>
    /// <param name="edge">Creates a proxy from a name and a folder; by default this project's edge.</param>
    public static async Task<ChaosSystem> StartAsync(ProductTime time, IReadOnlyList<(string Key, string Value)> settings, Func<string, string, Proxy>? edge = null)
    {
        var system = new ChaosSystem(await TemporaryPostgres.StartAsync(TestContext.Current.CancellationToken), time, settings);
        try
        {
            await system.Postgres.CreateDatabaseAsync("users", TestContext.Current.CancellationToken);
            await Task.WhenAll(All.Select(name => system[name].StartAsync()));
            system.Edge = edge?.Invoke("edge", system._folder) ?? new ChaosEdge("edge", system._folder, time.Edge);
            system.Register(All);
            await system.Edge.Process.StartAsync();
            return system;
        }
        catch
        {
            await system.DisposeAsync();
            throw;
        }
    }

    /// <summary>Makes these instances the edge's only destinations.</summary>
    public void Register(params IReadOnlyList<string> instances) => Edge.Route(instances.Select(i => (i, $"{_addresses[i]}")));

    public void Register(Registry registry, Proxy edge, params IReadOnlyList<string> instances) =>
        registry.Register(edge, instances.ToDictionary(i => i, i => _addresses[i]));

    /// <summary>Starts another edge, which finds the three instances in the registry.</summary>
    public async Task<Proxy> AddEdgeAsync(string name, Registry registry, params IEnumerable<(string Key, string Value)> settings)
    {
        var edge = new ChaosEdge(name, _folder, [.. _time.Edge, .. registry.EdgeSettings, .. settings]);
        if (registry.Destination is { } destination)
        {
            edge.Route(("all", destination));
        }

        Register(registry, edge, All);
        await edge.Process.StartAsync();
        return edge;
    }

    /// <summary>The edge's counters and the last log lines of edge and instances, to explain a failed scenario.</summary>
    public async Task<string> DescribeAsync(Proxy edge)
    {
        string counters;
        try
        {
            counters = await edge.CountersAsync();
        }
        catch (Exception failure) when (failure is HttpRequestException or OperationCanceledException)
        {
            counters = failure.Message;
        }

        return string.Join("\n\n", [$"{edge.Process.Name}'s counters:\n{counters}", .. _instances.Values.Prepend(edge.Process).Select(p => p.LastLines())]);
    }

    public async ValueTask DisposeAsync()
    {
        if (Edge is not null)
        {
            await Edge.DisposeAsync();
        }

        foreach (var instance in _instances.Values)
        {
            await instance.DisposeAsync();
        }

        await Postgres.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private ServiceProcess Add(string name)
    {
        var address = new Uri(OperatingSystem.IsLinux() ? $"http://127.0.1.{name[^1]}:{InstancePort}" : $"http://127.0.0.1:{Ports.Free()}");
        _addresses.Add(name, address);
        return _instances[name] = new(name, ServiceProcess.Command(typeof(UserSvc.Api.Program).Assembly,
        [
            $"--contentRoot={Path.Combine(EdgeHost.ContentRoot, "../UserSvc.Api")}",
            "--environment=Production",
            $"--urls={address}",
            $"--ConnectionStrings:users={Database}",
            $"--Instance:Name={name}",
            "--Instance:Address=127.0.0.1",
            .. _time.Instance.Concat(_settings).Select(s => $"--{s.Key}={s.Value}"),
        ]), new(address, "/health"), Path.Combine(_folder, $"{name}.log"));
    }
}
