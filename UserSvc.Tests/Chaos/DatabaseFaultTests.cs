namespace UserSvc.Tests.Chaos;

/// <summary>PostgreSQL stops and comes back under load. It is the only fault that clients see, and only as 503 with Retry-After.</summary>
[Scenario]
[Collection(typeof(OneByOne))]
public sealed class DatabaseFaultTests(SharedSystem shared)
{
    [Fact]
    public Task PostgresRestart_UnderLoad_FailsRequestsOnlyWith503() => shared.RunAsync(Faults.RestartPostgresAsync, FailsOnlyWith503);

    [Fact]
    public Task PostgresKill_UnderLoad_FailsRequestsOnlyWith503() => shared.RunAsync(Faults.KillPostgresAsync, FailsOnlyWith503);

    private static void FailsOnlyWith503(LoadReport report)
    {
        Assert.Equal(["503"], report.Gets.Where(g => g.Failed).Select(g => g.Result).Distinct());
        Assert.Equal([], report.Puts.Where(p => p.Failed && p.Result != "503").Select(p => p.Result).Distinct());
        Assert.Equal(ChaosSystem.All, report.AnsweredAfter);
    }
}
