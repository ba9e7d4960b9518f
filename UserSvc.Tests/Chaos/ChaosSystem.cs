using System.Runtime.CompilerServices;
using UserSvc.AppHost.Postgres;
using UserSvc.Tests.Edge;

namespace UserSvc.Tests.Chaos;

/// <summary>The whole system as processes: PostgreSQL, instances on ports that they keep, edges. Logs go to <c>.local/chaos/SCENARIO/</c>.</summary>
internal sealed class ChaosSystem : IAsyncDisposable
{
    public static readonly string Results = Path.GetFullPath(Path.Combine(EdgeHost.ContentRoot, "../.local/chaos"));

    private readonly List<ServiceProcess> _instances = [];
    private readonly Registry _registry;
    private readonly IReadOnlyList<(string Key, string Value)> _settings;
    private readonly string _folder;

    private ChaosSystem(string scenario, PostgresServer postgres, Registry registry, IReadOnlyList<(string, string)> settings)
    {
        Scenario = scenario;
        Postgres = postgres;
        _registry = registry;
        _settings = settings;
        _folder = Path.Combine(Results, scenario);
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }

        Directory.CreateDirectory(_folder);
    }

    public string Scenario { get; }

    public PostgresServer Postgres { get; }

    public string Database => Postgres.ConnectionString("users");

    public IReadOnlyList<ServiceProcess> Instances => _instances;

    /// <summary>The instances' addresses, by name.</summary>
    public Dictionary<string, Uri> Addresses { get; } = [];

    public List<ChaosEdge> Edges { get; } = [];

    public ServiceProcess this[string instance] => _instances.Single(i => i.Name == instance);

    /// <summary>Instances usersvc-1 to -3 behind edge-1, all ready.</summary>
    /// <param name="edges">How many edges, which are named like instances.</param>
    /// <param name="registry">Where the edges find the instances; their own configuration unless told otherwise.</param>
    /// <param name="settings">The instances'; unless told otherwise, cheap passwords, as two cores carry all of the system and its load.</param>
    /// <param name="scenario">The test's own name.</param>
    public static async Task<ChaosSystem> StartAsync(
        int edges = 1,
        Registry? registry = null,
        (string Key, string Value)[]? settings = null,
        [CallerMemberName] string scenario = "")
    {
        var postgres = await TemporaryPostgres.StartAsync(TestContext.Current.CancellationToken);
        var system = new ChaosSystem(scenario, postgres, registry ?? new Registry.Static(), settings ?? [("Passwords:MemoryKiB", "8192"), ("Passwords:Passes", "1")]);
        try
        {
            await postgres.CreateDatabaseAsync("users", TestContext.Current.CancellationToken);
            await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => system.AddInstance().StartAsync()));
            for (var i = 1; i <= edges; i++)
            {
                system.Edges.Add(new($"edge-{i}", system._folder, system._registry.EdgeSettings));
                if (system._registry.Destination is { } destination)
                {
                    system.Edges[^1].Route(("all", destination));
                }
            }

            system._registry.Register(system, [.. system.Addresses.Keys]);
            await Task.WhenAll(system.Edges.Select(e => e.Process.StartAsync()));
            return system;
        }
        catch
        {
            await system.DisposeAsync();
            throw;
        }
    }

    /// <summary>From now on the edges are to route to these instances and no others.</summary>
    public void Register(params IReadOnlyList<string> instances) => _registry.Register(this, instances);

    /// <summary>One more instance, not started.</summary>
    public ServiceProcess AddInstance()
    {
        var name = $"usersvc-{_instances.Count + 1}";
        var address = _registry.Address(_instances.Count + 1);
        var instance = new ServiceProcess(name, typeof(UserSvc.Api.Program).Assembly, new(address, "/health"), Path.Combine(_folder, $"{name}.log"),
        [
            $"--contentRoot={Path.Combine(EdgeHost.ContentRoot, "../UserSvc.Api")}",
            "--environment=Production",
            $"--urls={address}",
            $"--ConnectionStrings:users={Database}",
            $"--Instance:Name={name}",
            "--Instance:Address=127.0.0.1",
            // More than a round of the edge's probes (1 s, and 500 ms for an answer).
            "--Drain:Time=00:00:02",
            .. _settings.Select(s => $"--{s.Key}={s.Value}"),
        ]);
        _instances.Add(instance);
        Addresses.Add(name, address);
        return instance;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var edge in Edges)
        {
            await edge.DisposeAsync();
        }

        foreach (var instance in _instances)
        {
            await instance.DisposeAsync();
        }

        await Postgres.DisposeAsync();
    }
}
