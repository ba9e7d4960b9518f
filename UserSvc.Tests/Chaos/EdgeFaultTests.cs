namespace UserSvc.Tests.Chaos;

/// <summary>The edge itself changes under load, and nothing fails.</summary>
[Collection(typeof(OneByOne))]
public sealed class EdgeFaultTests
{
    [Fact]
    public async Task Restart_OfOneEdgeBesideASecond_FailsNothing()
    {
        await using var system = await ChaosSystem.StartAsync(edges: 2);
        await using var balancer = new LoadBalancer(system.Edges);
        await using var load = await Load.StartAsync(balancer.Next);

        await load.DuringAsync(async () =>
        {
            await system.Edges[0].Process.StopAsync();
            await load.ReadsAsync(2_000);
            await system.Edges[0].Process.StartAsync();
            await balancer.HasInRotationAsync(2);
        });
        var report = await load.EndAsync();

        report.Publish(system.Scenario);
        Assert.Equal(([], []), (report.FailedGets, report.FailedPuts));
        await Promise.HoldsAsync(system, load, report);
    }

    [Fact]
    public async Task Reload_OfTheConfigurationTimeAndAgain_FailsNothing()
    {
        await using var system = await ChaosSystem.StartAsync();
        await using var load = await Load.StartAsync(() => system.Edges[0].Address);

        await load.DuringAsync(async () =>
        {
            for (var i = 0; i < 5; i++)
            {
                // Another order and another set each time, of which two instances stay.
                system.Register("usersvc-3", "usersvc-1");
                await load.IsAnsweredOnlyByAsync("usersvc-1", "usersvc-3");
                system.Register("usersvc-1", "usersvc-2", "usersvc-3");
                await load.IsAnsweredOnlyByAsync("usersvc-1", "usersvc-2", "usersvc-3");
            }
        });
        var report = await load.EndAsync();

        report.Publish(system.Scenario);
        Assert.Equal(([], []), (report.FailedGets, report.FailedPuts));
        await Promise.HoldsAsync(system, load, report);
    }
}
