namespace UserSvc.Tests.Chaos;

/// <summary>The edge itself restarts or reloads under load, and no request fails.</summary>
[Scenario]
[Collection(typeof(OneByOne))]
public sealed class EdgeFaultTests(SharedSystem shared)
{
    [Fact]
    public async Task Restart_OneOfTwoEdges_FailsNothing()
    {
        var system = await shared.GetAsync();
        await using var second = await system.AddEdgeAsync("edge-2", new Registry.Static());
        await using var balancer = new LoadBalancer([system.Edge, second]);

        await shared.RunAsync((_, load) => Faults.RestartEdgeAsync(system, load, balancer), FailsNothing, address: balancer.Next);
    }

    [Fact]
    public Task ConfigurationReload_TenTimes_FailsNothing() => shared.RunAsync(Faults.ReloadAsync, FailsNothing);

    private static void FailsNothing(LoadReport report) => Assert.Equal(([], []), (report.FailedGets, report.FailedPuts));
}
