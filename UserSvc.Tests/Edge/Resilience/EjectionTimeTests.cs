using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using UserSvc.Edge.Resilience;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Tests.Edge.Resilience;

/// <summary>Begins and ends ejections directly, without requests.</summary>
public sealed class EjectionTimeTests
{
    private static readonly (string, string)[] Instances = [("usersvc-1", "http://127.0.0.1:1"), ("usersvc-2", "http://127.0.0.1:1"), ("usersvc-3", "http://127.0.0.1:1")];

    private readonly FakeTimeProvider _time = new();

    [Theory]
    [InlineData(null, 30)]
    [InlineData("00:00:10", 10)]
    public async Task Ejection_FirstOfADestination_LastsTheReactivationPeriod(string? period, int seconds)
    {
        const string Other = "ReverseProxy:Clusters:other";
        await using var edge = await EdgeAsync(
            [($"{Other}:Destinations:other-1:Address", "http://127.0.0.1:1"), ($"{Other}:Metadata:Ejection.MaxPercent", "100"),
            .. period is null ? [] : new[] { ($"{Other}:HealthCheck:Passive:ReactivationPeriod", period) }]);
        var destination = new Ejectable(edge, "other", "other-1");

        destination.Eject();

        Assert.Equal(seconds, SecondsEjected(destination));
    }

    [Fact]
    public async Task Ejections_WithoutGoodTimeBetween_LengthenUpToTheMaximum()
    {
        await using var edge = await EdgeAsync(($"{EdgeHost.Metadata}:Ejection.MaxTime", "00:01:10"));
        var destination = new Ejectable(edge);
        var seconds = new List<int>();

        for (var i = 0; i < 4; i++)
        {
            destination.Eject();
            seconds.Add(SecondsEjected(destination));
        }

        Assert.Equal([30, 60, 70, 70], seconds);
    }

    [Theory]
    [InlineData(29, 90)]
    [InlineData(30, 60)]
    [InlineData(59, 60)]
    [InlineData(60, 30)]
    [InlineData(600, 30)]
    public async Task Ejection_AfterTwoAndSomeGoodTime_IsShorterByWholePeriods(int goodSeconds, int seconds)
    {
        await using var edge = await EdgeAsync();
        var destination = new Ejectable(edge);
        destination.Eject();
        SecondsEjected(destination);
        destination.Eject();
        SecondsEjected(destination);
        _time.Advance(TimeSpan.FromSeconds(goodSeconds));

        destination.Eject();

        Assert.Equal(seconds, SecondsEjected(destination));
    }

    [Fact]
    public async Task Begin_DestinationAlreadyEjected_ChangesNothing()
    {
        await using var edge = await EdgeAsync(($"{EdgeHost.Metadata}:Ejection.MaxPercent", "100"));
        var destination = new Ejectable(edge);

        destination.Eject();
        destination.Eject();

        Assert.Equal((30, 1, 1), (SecondsEjected(destination), destination.Count, destination.CountOfTheCluster));
    }

    [Fact]
    public async Task End_DestinationNotEjected_KeepsItsGoodTime()
    {
        await using var edge = await EdgeAsync();
        var destination = new Ejectable(edge);
        destination.Eject();
        SecondsEjected(destination);
        _time.Advance(TimeSpan.FromSeconds(29));
        destination.Return();
        _time.Advance(TimeSpan.FromSeconds(1));

        destination.Eject();

        Assert.Equal(30, SecondsEjected(destination));
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("33", 0)]
    [InlineData("34", 1)]
    [InlineData("66", 1)]
    [InlineData("67", 2)]
    [InlineData("99", 2)]
    [InlineData("100", 3)]
    public async Task Ejections_OfAllThreeInstances_StayWithinTheShare(string percent, int ejected)
    {
        await using var edge = await EdgeAsync(($"{EdgeHost.Metadata}:Ejection.MaxPercent", percent));

        foreach (var (name, _) in Instances)
        {
            new Ejectable(edge, "usersvc", name).Eject();
        }

        Assert.Equal(ejected, edge.Unhealthy());
    }

    [Fact]
    public async Task Ejection_BeginningAndEnding_IsLoggedOnce()
    {
        await using var edge = await EdgeAsync();
        var destination = new Ejectable(edge);

        destination.Eject();
        SecondsEjected(destination);
        destination.Return();

        Assert.Equal(
            ["Warning: usersvc-1 of usersvc is ejected for 00:00:30: 5 requests in a row have failed", "Information: usersvc-1 of usersvc is no longer ejected"],
            edge.Log.Lines.Where(l => l.Contains("ejected", StringComparison.Ordinal)));
    }

    private Task<EdgeHost> EdgeAsync(params (string Key, string Value)[] settings) =>
        EdgeHost.StartAsync(_time, Instances, [($"{EdgeHost.Probing}:Enabled", "false"), .. settings]);

    // Advances the time until the destination is back.
    private int SecondsEjected(Ejectable destination)
    {
        var seconds = 0;
        while (destination.IsEjected && seconds < 600)
        {
            _time.Advance(TimeSpan.FromSeconds(1));
            seconds++;
        }

        return seconds;
    }

    private sealed class Ejectable(EdgeHost edge, string clusterId = "usersvc", string destinationId = "usersvc-1")
    {
        private readonly ClusterState _cluster = edge.Services.GetRequiredService<IProxyStateLookup>().GetClusters().Single(c => c.ClusterId == clusterId);
        private readonly Ejections _ejections = edge.Services.GetRequiredService<Ejections>();
        private readonly ResilienceState _state = edge.Services.GetRequiredService<ResilienceState>();

        public bool IsEjected => Destination.Health.Passive is DestinationHealth.Unhealthy;

        public long Count => _state.Get(Destination).EjectionHistory.Total.Value;

        public long CountOfTheCluster => _state.Get(_cluster).Statistics.EjectionCount.Value;

        private DestinationState Destination => _cluster.Destinations[destinationId];

        public void Eject() => _ejections.Begin(_cluster, Destination);

        public void Return() => _ejections.End(_cluster, Destination);
    }
}
