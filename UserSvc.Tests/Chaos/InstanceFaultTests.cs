namespace UserSvc.Tests.Chaos;

/// <summary>One instance of three has a fault under load: no read fails, and hardly a write.</summary>
[Collection(typeof(OneByOne))]
public sealed class InstanceFaultTests
{
    private const string Second = "usersvc-2";

    [Fact]
    public Task KillNine_OfOneInstance_FailsNoRead() => ScenarioAsync(nameof(KillNine_OfOneInstance_FailsNoRead), async (system, load) =>
    {
        await system[Second].KillAsync();
        await load.ReadsAsync(4_000);
        await system[Second].StartAsync();
        await load.IsAnsweredByAsync(Second);
    });

    [Fact]
    public Task GracefulRestart_OfOneInstance_FailsNoRead() => ScenarioAsync(nameof(GracefulRestart_OfOneInstance_FailsNoRead), async (system, load) =>
    {
        await system[Second].StopAsync();
        await load.ReadsAsync(2_000);
        await system[Second].StartAsync();
        await load.IsAnsweredByAsync(Second);
    });

    [Fact]
    public Task Freeze_OfOneInstance_FailsNoRead() => ScenarioAsync(nameof(Freeze_OfOneInstance_FailsNoRead), async (system, load) =>
    {
        system[Second].Freeze();
        await Load.GoesOnAsync(TimeSpan.FromSeconds(5));
        system[Second].Thaw();
        await load.IsAnsweredByAsync(Second);
    });

    [Fact]
    public Task RollingRestart_OfAllInstances_FailsNoRead() => ScenarioAsync(nameof(RollingRestart_OfAllInstances_FailsNoRead), async (system, load) =>
    {
        foreach (var instance in system.Instances)
        {
            await instance.StopAsync();
            await instance.StartAsync();
            await load.IsAnsweredByAsync(instance.Name);
        }

        await load.IsAnsweredOnlyByAsync("usersvc-1", "usersvc-2", "usersvc-3");
    });

    private static async Task ScenarioAsync(string scenario, Func<ChaosSystem, Load, Task> fault)
    {
        await using var system = await ChaosSystem.StartAsync(scenario: scenario);
        await using var load = await Load.StartAsync(() => system.Edges[0].Address);

        await load.DuringAsync(() => fault(system, load));
        var report = await load.EndAsync();

        report.Publish(scenario);
        Assert.Equal([], report.FailedGets);
        Assert.Equal(["usersvc-1", "usersvc-2", "usersvc-3"], report.AnsweredAfter);
        await Promise.HoldsAsync(system, load, report);
    }
}
