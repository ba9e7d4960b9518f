using System.Diagnostics.Metrics;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Tests.Edge.Discovery;

/// <summary>What discovery does to YARP's clusters.</summary>
public sealed class DiscoveredClusterTests : IAsyncLifetime
{
    private const string Address = "k8s+http://usersvc/http";

    private readonly KubernetesApi _api = new();
    private readonly List<Upstream> _upstreams = [];

    public async ValueTask InitializeAsync()
    {
        await _api.StartAsync();
        _upstreams.Add(await Upstream.StartAsync("usersvc-1"));
        _upstreams.Add(await Upstream.StartAsync("usersvc-2"));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var upstream in _upstreams)
        {
            await upstream.DisposeAsync();
        }

        await _api.DisposeAsync();
    }

    [Fact]
    public async Task Edge_WithAnUnreachableSource_IsNotReadyUntilItAnswers()
    {
        _api.Refusal = 503;
        Serve(1);
        await using var edge = await StartAsync();
        await Eventually.HoldsAsync(() => Task.FromResult(_api.Asked.Count >= 2));
        var (ready, answer) = (await edge.Health.AskAsync("/health"), await edge.Public.AskAsync("/user/alice"));

        _api.Refusal = null;
        await Eventually.HoldsAsync(async () => (await edge.Health.AskAsync("/ready")).Status == 200);

        Assert.Equal(EdgeAnswers.Problem(503, "unavailable", $"clusters: not discovered yet: {Address}"), ready);
        Assert.Equal(EdgeAnswers.NoInstance, answer);
        Assert.Equal(new Answer(200, "usersvc-1"), await edge.Public.AskAsync("/user/alice"));
    }

    [Fact]
    public async Task Edge_WhoseSourceFails_KeepsRoutingToTheKnownDestinations()
    {
        Serve(1, 2);
        await using var edge = await ReadyAsync();

        _api.Refusal = 500;
        _api.EndWatches();
        await Eventually.HoldsAsync(() => Task.FromResult(_api.Asked.Count(a => a == "500") >= 2));
        var answers = new[] { await edge.Public.AskAsync("/user/alice"), await edge.Public.AskAsync("/user/alice") };

        Assert.Equal([new(200, "usersvc-1"), new(200, "usersvc-2")], answers.OrderBy(a => a.Body));
    }

    [Fact]
    public async Task Age_OfASource_IsZeroWhileItIsWatchedAndGrowsWhileItFails()
    {
        Serve(1);
        await using var edge = await ReadyAsync();
        var ages = new Queue<(object? Source, double Age)>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Name == "edge.discovery.age" && instrument.Meter.Scope == edge.Services.GetRequiredService<IMeterFactory>())
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<double>((_, age, tags, _) => ages.Enqueue((tags[0].Value, age)));
        listener.Start();

        listener.RecordObservableInstruments();
        _api.Refusal = 500;
        _api.EndWatches();
        await Eventually.HoldsAsync(() =>
        {
            listener.RecordObservableInstruments();
            return Task.FromResult(ages.Last().Age > 0.5);
        });

        Assert.Equal((Address, 0), ages.First());
        Assert.All(ages, a => Assert.Equal(Address, a.Source));
    }

    [Fact]
    public async Task Destination_ThatStays_KeepsItsStateAndHealth()
    {
        Serve(1, 2);
        await using var edge = await ReadyAsync();
        var before = Destination(edge, "usersvc-1-uid");
        before.Health.Passive = DestinationHealth.Unhealthy;

        Serve(1);
        await Eventually.HoldsAsync(() => Task.FromResult(Cluster(edge).Destinations.Count == 1));
        Serve(1, 2);
        await Eventually.HoldsAsync(() => Task.FromResult(Cluster(edge).Destinations.Count == 2));

        Assert.Same(before, Destination(edge, "usersvc-1-uid"));
        Assert.Equal(DestinationHealth.Unhealthy, before.Health.Passive);
        Assert.Equal(DestinationHealth.Unknown, Destination(edge, "usersvc-2-uid").Health.Passive);
    }

    [Fact]
    public async Task Probes_OfAClusterThatChangesOften_GoOn()
    {
        Serve(1);
        var time = new FakeTimeProvider();
        await using var edge = await EdgeHost.StartAsync(time, [("all", Address)], [.. Kubernetes, ($"{EdgeHost.Probing}:Interval", "01:00:00")]);
        await Eventually.HoldsAsync(() => Task.FromResult(Cluster(edge).Destinations.Count == 1));
        var probes = _upstreams[0].Probes;

        // Changes come a bit more than half a probe interval apart.
        for (var change = 1; change <= 6; change++)
        {
            Serve(change % 2 == 0 ? [1] : [1, 2]);
            await Eventually.HoldsAsync(() =>
            {
                // Ends the window in which the source collects changes.
                time.Advance(TimeSpan.FromMilliseconds(20));
                return Task.FromResult(Cluster(edge).Destinations.Count == 1 + (change % 2));
            });
            time.Advance(TimeSpan.FromMinutes(31));
            await Eventually.HoldsAsync(() => Task.FromResult(_upstreams[0].Probes == probes + (change / 2)));
        }
    }

    [Fact]
    public async Task Source_RemovedFromTheConfiguration_Ends()
    {
        Serve(1);
        var folder = Directory.CreateTempSubdirectory("usersvc-edge-").FullName;
        var settings = await File.ReadAllTextAsync(Path.Combine(EdgeHost.ContentRoot, "appsettings.json"), TestContext.Current.CancellationToken);
        Task ConfigureAsync(string address) => File.WriteAllTextAsync(
            Path.Combine(folder, "appsettings.json"),
            settings.Replace("\"LoadBalancingPolicy\"", $$"""
                "Destinations": { "all": { "Address": "{{address}}" } }, "LoadBalancingPolicy"
                """, StringComparison.Ordinal),
            TestContext.Current.CancellationToken);
        await ConfigureAsync(Address);
        await using var edge = await EdgeHost.StartAsync([], [("contentRoot", folder), ("Edge:Reload:Interval", "00:00:00.050"), .. Kubernetes]);
        await Eventually.HoldsAsync(() => Task.FromResult(_api.Watches == 1));

        await ConfigureAsync(_upstreams[1].Address);
        await Eventually.HoldsAsync(() => Task.FromResult(_api.Watches == 0));

        Assert.Equal(new Answer(200, "usersvc-2"), await edge.Public.AskAsync("/user/alice"));
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task DnsDestination_OverTls_IsVerifiedByItsName()
    {
        await using var dns = new DnsServer();
        dns.Names["usersvc.test"] = ["127.0.0.1"];
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        await using var edge = await EdgeHost.StartAsync(
            [("dns", $"dns+https://usersvc.test:{((IPEndPoint)listener.LocalEndpoint).Port}")], ("Edge:Discovery:Dns:Server", dns.EndPoint));

        using var client = await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken);
        var hello = new byte[4096];
        var length = await client.GetStream().ReadAsync(hello, TestContext.Current.CancellationToken);

        // A TLS client verifies the name it asks for in its first message.
        Assert.Contains("usersvc.test", System.Text.Encoding.Latin1.GetString(hello, 0, length), StringComparison.Ordinal);
    }

    private (string, string)[] Kubernetes => [("Edge:Discovery:Kubernetes:ApiServer", _api.Address), ("Edge:Discovery:Kubernetes:Namespace", "users"), ("Edge:Discovery:MaxBackoff", "00:00:00.100")];

    private async Task<EdgeHost> ReadyAsync(params (string, string)[] settings)
    {
        var edge = await StartAsync(settings);
        await Eventually.HoldsAsync(async () => (await edge.Health.AskAsync("/ready")).Status == 200);
        return edge;
    }

    private Task<EdgeHost> StartAsync(params (string, string)[] settings) => EdgeHost.StartAsync([("all", Address)], [.. Kubernetes, .. settings]);

    /// <summary>Publishes these upstreams, numbered from one. All are on 127.0.0.1, each in a separate slice for its port.</summary>
    private void Serve(params int[] upstreams)
    {
        for (var i = 1; i <= _upstreams.Count; i++)
        {
            var pods = upstreams.Where(u => u == i).Select(u => ($"usersvc-{u}", "127.0.0.1"));
            _api.Set($"usersvc-{i}", Slices.Create(new Uri(_upstreams[i - 1].Address).Port, pods));
        }
    }

    private static ClusterState Cluster(EdgeHost edge) =>
        edge.Services.GetRequiredService<IProxyStateLookup>().TryGetCluster("usersvc", out var cluster) ? cluster : throw new InvalidOperationException("No cluster.");

    private static DestinationState Destination(EdgeHost edge, string key) => Cluster(edge).Destinations[key];
}
