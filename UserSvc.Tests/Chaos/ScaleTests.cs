namespace UserSvc.Tests.Chaos;

/// <summary>Instances come and go under load, by every way in which an edge may learn of it.</summary>
[Collection(typeof(OneByOne))]
public sealed class ScaleTests
{
    [Theory]
    [InlineData("static")]
    [InlineData("dns")]
    [InlineData("sds")]
    [InlineData("k8s")]
    public async Task Scale_From3To5To2_FailsNoReadAndUsesAllThereAre(string discovery)
    {
        await using var registry = await Registries.StartAsync(discovery);
        await using var system = await ChaosSystem.StartAsync(registry: registry, scenario: $"Scale_{discovery}");
        await using var load = await Load.StartAsync(() => system.Edges[0].Address);

        await load.DuringAsync(async () =>
        {
            await Task.WhenAll(system.AddInstance().StartAsync(), system.AddInstance().StartAsync());
            system.Register("usersvc-1", "usersvc-2", "usersvc-3", "usersvc-4", "usersvc-5");
            await load.IsAnsweredOnlyByAsync("usersvc-1", "usersvc-2", "usersvc-3", "usersvc-4", "usersvc-5");
            // An orchestrator tells the one and signals the others at the same time.
            system.Register("usersvc-1", "usersvc-2");
            await Task.WhenAll(system.Instances.Skip(2).Select(i => i.StopAsync()));
            await load.IsAnsweredOnlyByAsync("usersvc-1", "usersvc-2");
        });
        var report = await load.EndAsync();

        report.Publish(system.Scenario);
        Assert.Equal([], report.FailedGets);
        Assert.Equal(["usersvc-1", "usersvc-2"], report.AnsweredAfter);
        await Promise.HoldsAsync(system, load, report);
    }
}
