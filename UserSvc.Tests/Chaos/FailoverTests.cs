namespace UserSvc.Tests.Chaos;

/// <summary>When the standby is promoted, the running instances follow, and no acknowledged user is lost.</summary>
[Scenario]
public sealed class FailoverTests
{
    private const string Password = "a long password";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task PrimaryKilled_StandbyPromoted_ServesAgainAndHasEveryUser()
    {
        await using var failover = await Failover.AfterPrimaryKilledAsync();
        await failover.Postgres.RejoinAsync();
        await failover.Traffic.WaitForAnswersAsync();

        await KeepsEveryUserAsync(failover);
    }

    [Fact]
    public async Task PrimaryVanished_StandbyPromoted_ServesAgainAndHasEveryUser()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only Linux tells when a listener's queue is full, which makes a host look gone.");
        await using var failover = await Failover.AfterPrimaryVanishedAsync();

        await KeepsEveryUserAsync(failover);
    }

    [Fact]
    public async Task PrimaryMadeReadOnly_StandbyPromoted_ServesAgainAndHasEveryUser()
    {
        await using var failover = await Failover.AfterPrimaryMadeReadOnlyAsync();

        await KeepsEveryUserAsync(failover);
    }

    [Fact]
    public async Task StandbyAway_SameUserAgain_IsNotAcknowledgedBeforeItIsReplicated()
    {
        await using var postgres = await ReplicatedPostgres.StartAsync();
        await using var api = new ApiInstance(postgres.ConnectionString("primary"), ("Passwords:MemoryKiB", "8192"), ("Passwords:Passes", "1"));
        var client = await api.ReadyAsync();
        await postgres.Second.StopAsync();

        var created = await client.PutUserAsync("alice", "Alice", Password);
        // Alice is on the primary, but not on its standby.
        await Eventually.HoldsAsync(async () => await client.AnswerToGetAsync("/user/alice") == Answer.User(200, "Alice"));
        var again = await client.PutUserAsync("alice", "Alice", Password);
        await postgres.Second.StartAsync(Cancellation);
        await Eventually.HoldsAsync(async () => await client.PutUserAsync("alice", "Alice", Password) == Answer.User(200, "Alice"));

        Assert.Equal(Enumerable.Repeat(Answer.Problem(503, "overloaded", "The database did not answer in time."), 2), [created, again]);
        Assert.Equal(["alice"], await Sql.ColumnAsync(postgres.Second.ConnectionString("users"), "SELECT username FROM users"));
    }

    private static async Task KeepsEveryUserAsync(Failover failover)
    {
        var traffic = failover.Traffic;
        await traffic.EndAsync();
        Assert.False(await Sql.ScalarAsync<bool>(failover.Postgres.Second.ConnectionString("users"), "SELECT pg_is_in_recovery()"));
        Assert.Equal([], traffic.Unexpected);
        HashSet<string> kept = [.. await Sql.ColumnAsync(failover.Postgres.Second.ConnectionString("users"), "SELECT username || ' ' || upper(replace(uuid::text, '-', '')) FROM users")];
        string[] lost = [.. traffic.Acknowledged.Select(a => $"{a.Key} {a.Value}").Where(a => !kept.Contains(a))];
        Assert.Equal([], lost);
        var notRead = await traffic.NotReadAsync();
        Assert.Equal([], notRead);
    }
}
