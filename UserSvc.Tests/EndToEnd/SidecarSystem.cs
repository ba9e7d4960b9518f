using System.Collections.Concurrent;
using UserSvc.AppHost.Processes;
using UserSvc.Tests.Chaos;
using UserSvc.Tests.Edge;
using UserSvc.Tests.Edge.Sidecar;

namespace UserSvc.Tests.EndToEnd;

/// <summary>The system that all tests share. A failed test discards it, so the next one starts fresh.</summary>
public sealed class SharedSidecars(PostgresFixture postgres) : IAsyncDisposable
{
    private SidecarSystem? _system;

    internal async Task<SidecarSystem> GetAsync() => _system ??= await SidecarSystem.StartAsync(await postgres.CreateDatabaseAsync());

    public async ValueTask DisposeAsync()
    {
        if (_system is not null)
        {
            await _system.DisposeAsync();
            _system = null;
        }
    }
}

/// <summary>Two instances with sidecars, behind an edge that records every request, each as a process.</summary>
internal sealed class SidecarSystem : IAsyncDisposable
{
    private readonly string _logs = Directory.CreateTempSubdirectory("usersvc-sidecars-").FullName;
    private readonly Dictionary<string, ServiceProcess> _processes = [];

    public ServiceProcess this[string name] => _processes[name];

    public HttpClient Client { get; private set; } = null!;

    public OtlpReceiver Collector { get; private set; } = null!;

    public static async Task<SidecarSystem> StartAsync(string database)
    {
        var system = new SidecarSystem { Collector = await OtlpReceiver.StartAsync() };
        // The edge decides about sampling: on their own, sidecars and instances sample nothing.
        (string, string)[] telemetry = [.. system.Collector.Settings, ("OTEL_TRACES_SAMPLER", "always_off")];
        try
        {
            var sidecars = new List<(string Name, string Address)>();
            foreach (var name in (string[])["usersvc-1", "usersvc-2"])
            {
                var (instance, sidecar) = ($"http://127.0.0.1:{Ports.Free()}", $"http://127.0.0.1:{Ports.Free()}");
                system.Add(name, typeof(UserSvc.Api.Program), $"{instance}/health", "UserSvc.Api",
                [
                    ("Listen:LoopbackPort", $"{new Uri(instance).Port}"), ("ConnectionStrings:users", database + ProductTime.Widened.Database), ("Drain:Time", "00:00:06"), .. telemetry,
                ]);
                system.AddProxy($"{name}-sidecar", sidecar,
                [
                    ("Edge:Mode", "Sidecar"), ("Edge:TrustedProxies:0", "127.0.0.1"), (SidecarHost.Destination, instance), ("Drain:Time", "00:00:04"), .. ProductTime.Widened.Edge, .. telemetry,
                ]);
                sidecars.Add((name, sidecar));
            }

            var edge = $"http://127.0.0.1:{Ports.Free()}";
            system.AddProxy("edge", edge,
            [
                .. sidecars.Select(s => ($"ReverseProxy:Clusters:usersvc:Destinations:{s.Name}:Address", s.Address)), ("Drain:Time", "00:00:00"), .. ProductTime.Widened.Edge,
                .. system.Collector.Settings, ("OTEL_TRACES_SAMPLER", "always_on"),
            ]);
            system.Client = new() { BaseAddress = new(edge) };
            await Task.WhenAll(system._processes.Values.Select(process => process.StartAsync()));
            await system.IsAnsweredByAsync("usersvc-1", "usersvc-2");
            return system;
        }
        catch
        {
            await system.DisposeAsync();
            throw;
        }
    }

    /// <summary>Lets eight clients read during the fault.</summary>
    /// <returns>Their answers other than 200.</returns>
    public async Task<IReadOnlyList<string>> FailuresDuringAsync(Func<Task> fault)
    {
        var failures = new ConcurrentQueue<string>();
        using var over = new CancellationTokenSource();
        var load = Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            while (!over.IsCancellationRequested)
            {
                await tick.WaitForNextTickAsync(CancellationToken.None);
                try
                {
                    if (await Client.AskAsync("/user/health") is { Status: not 200 } answer)
                    {
                        failures.Enqueue(answer.ToString());
                    }
                }
                catch (HttpRequestException failure)
                {
                    failures.Enqueue(failure.Message);
                }
            }
        })).ToList();
        await fault();
        await over.CancelAsync();
        await Task.WhenAll(load);
        return [.. failures];
    }

    /// <summary>The last lines that each process printed.</summary>
    public string Describe() => string.Join("\n\n", _processes.Values.Select(process => process.LastLines()));

    /// <summary>Waits until all of these instances answer, and no others.</summary>
    public Task IsAnsweredByAsync(params IEnumerable<string> instances) => Eventually.HoldsAsync(async () =>
    {
        var answers = new HashSet<string>();
        for (var i = 0; i < 8; i++)
        {
            answers.Add((await Client.AskAsync("/user/health")).Body);
        }

        return answers.SetEquals(instances.Select(instance =>
            $$"""{"ok":true,"msg":"user health check OK","hostname":"{{instance}}","resolvedname":"127.0.0.1"}"""));
    });

    public async ValueTask DisposeAsync()
    {
        Client?.Dispose();
        foreach (var process in _processes.Values)
        {
            await process.DisposeAsync();
        }

        await Collector.DisposeAsync();
        Directory.Delete(_logs, recursive: true);
    }

    private void AddProxy(string name, string address, IEnumerable<(string Key, string Value)> settings)
    {
        var health = $"http://127.0.0.1:{Ports.Free()}";
        Add(name, typeof(UserSvc.Edge.Program), $"{health}/ready", "UserSvc.Edge",
        [
            ("Kestrel:Endpoints:Http:Url", address),
            ("Kestrel:Endpoints:Health:Url", health),
            ("Kestrel:Endpoints:Admin:Url", $"http://127.0.0.1:{Ports.Free()}"),
            .. settings,
        ]);
    }

    private void Add(string name, Type program, string readiness, string contentRoot, IEnumerable<(string Key, string Value)> settings) =>
        _processes.Add(name, new(name, ServiceProcess.Command(program.Assembly,
        [
            $"--contentRoot={Path.Combine(EdgeHost.ContentRoot, "..", contentRoot)}",
            "--environment=Production",
            $"--Instance:Name={name}",
            "--Instance:Address=127.0.0.1",
            .. settings.Select(setting => $"--{setting.Key}={setting.Value}"),
        ]), new(readiness), Path.Combine(_logs, $"{name}.log")));
}
