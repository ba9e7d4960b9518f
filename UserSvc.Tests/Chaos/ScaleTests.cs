namespace UserSvc.Tests.Chaos;

/// <summary>Instances come and go under load, with each kind of discovery.</summary>
[Scenario]
[Collection(typeof(OneByOne))]
public sealed class ScaleTests(SharedSystem shared)
{
    [Theory]
    [InlineData("static")]
    [InlineData("dns")]
    [InlineData("sds")]
    [InlineData("k8s")]
    public async Task Scale_From3To5To2AndBack_FailsNoReadAndUsesEveryInstance(string discovery)
    {
        var system = await shared.GetAsync();
        await using var registry = await Registries.StartAsync(discovery);
        await using var edge = await system.AddEdgeAsync($"edge-{discovery}", registry);

        await shared.RunAsync((_, load) => Faults.ScaleAsync(system, load, instances => system.Register(registry, edge, instances)), SharedSystem.IsHidden, edge);
    }
}
