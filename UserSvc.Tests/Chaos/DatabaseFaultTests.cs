namespace UserSvc.Tests.Chaos;

/// <summary>
/// PostgreSQL goes away and comes back under load: the one fault that reads do see, each as 503 and in time. Writers come back when they
/// are told to.
/// </summary>
[Collection(typeof(OneByOne))]
public sealed class DatabaseFaultTests
{
    // The route's own, as shipped.
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(15);

    [Fact]
    public Task PostgresRestart_FailsReadsBy503Alone() => ScenarioAsync(nameof(PostgresRestart_FailsReadsBy503Alone), async system =>
    {
        await system.Postgres.StopAsync();
        await system.Postgres.StartAsync(TestContext.Current.CancellationToken);
    });

    [Fact]
    public Task PostgresKilled_FailsReadsBy503Alone() => ScenarioAsync(nameof(PostgresKilled_FailsReadsBy503Alone), async system =>
    {
        // Its supervisor starts it again.
        system.Postgres.Kill();
        await Sql.EventuallyScalarAsync<long>(system.Database, "SELECT count(*) FROM users");
    });

    private static async Task ScenarioAsync(string scenario, Func<ChaosSystem, Task> fault)
    {
        await using var system = await ChaosSystem.StartAsync(scenario: scenario);
        await using var load = await Load.StartAsync(() => system.Edges[0].Address);

        await load.DuringAsync(async () =>
        {
            await fault(system);
            await load.IsRightAgainAsync();
        });
        var report = await load.EndAsync();

        report.Publish(scenario);
        Assert.Equal(["503"], report.GetFailures);
        Assert.True(report.LongestFailedGet < Deadline, $"A read failed after {report.LongestFailedGet}.");
        await Promise.HoldsAsync(system, load, report);
    }
}
