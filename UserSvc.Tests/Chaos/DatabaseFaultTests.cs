namespace UserSvc.Tests.Chaos;

/// <summary>PostgreSQL goes away and comes back under load: the one fault that clients see, as 503 with Retry-After and nothing else.</summary>
[Scenario]
[Collection(typeof(OneByOne))]
public sealed class DatabaseFaultTests(SharedSystem shared)
{
    [Fact]
    public Task PostgresRestart_FailsRequestsBy503Alone() => shared.RunAsync(Faults.RestartPostgresAsync, FailsBy503Alone);

    [Fact]
    public Task PostgresKilled_FailsRequestsBy503Alone() => shared.RunAsync(Faults.KillPostgresAsync, FailsBy503Alone);

    private static void FailsBy503Alone(LoadReport report)
    {
        Assert.Equal(["503"], report.Gets.Where(g => g.Failed).Select(g => g.Result).Distinct());
        Assert.Equal([], report.Puts.Where(p => p.Failed && p.Result != "503").Select(p => p.Result).Distinct());
        Assert.Equal(ChaosSystem.All, report.AnsweredAfter);
    }
}
