namespace UserSvc.Tests.Chaos;

/// <summary>
/// A primary, its synchronous standby and two instances that know both: when the primary goes and the standby is promoted, the service
/// follows, in the same processes, and has lost no user that it acknowledged.
/// </summary>
[Collection(typeof(OneByOne))]
public sealed class FailoverTests : IAsyncLifetime
{
    private static readonly TimeSpan Back = TimeSpan.FromSeconds(5);

    private const string Password = "a long password";

    private ReplicatedPostgres _postgres = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _postgres = await ReplicatedPostgres.StartAsync();

    public ValueTask DisposeAsync() => _postgres.DisposeAsync();

    [Fact]
    public async Task PrimaryKilled_StandbyPromoted_ServesAgainWithin5sAndHasEveryUser()
    {
        await using var first = Instance();
        await using var second = Instance();
        await using var traffic = new FailoverTraffic(await first.ReadyAsync(), await second.ReadyAsync());
        await traffic.GoesOnAsync();

        await _postgres.First.CrashAsync();
        await traffic.IsRefusedAsync();
        var promoted = await PromoteAsync(traffic);
        await traffic.GoesOnAsync();
        await _postgres.RejoinAsync();
        await traffic.GoesOnAsync();
        await traffic.EndAsync();

        await HoldsAsync(traffic, promoted);
    }

    [Fact]
    public async Task PrimaryVanished_StandbyPromoted_ServesAgainWithin5sAndWritesQuickly()
    {
        await using var network = new TcpRelay(_postgres.First.Port);
        await using var first = Instance(firstPort: network.Port);
        await using var second = Instance(firstPort: network.Port);
        await using var traffic = new FailoverTraffic(await first.ReadyAsync(), await second.ReadyAsync());
        await traffic.GoesOnAsync();

        await network.VanishAsync();
        await traffic.IsRefusedAsync();
        var promoted = await PromoteAsync(traffic);
        await traffic.GoesOnAsync();
        var back = traffic.Now;
        await traffic.GoesOnAsync(300);
        await traffic.EndAsync();

        var writes = traffic.Writes(back);
        TestContext.Current.TestOutputHelper!.WriteLine($"writes with the first host away: {writes}");
        Assert.True(writes.Median < TimeSpan.FromSeconds(0.5), $"With the first host away writes took {writes}.");
        await HoldsAsync(traffic, promoted);
    }

    [Fact]
    public async Task PrimaryMadeReadOnly_StandbyPromoted_ServesAgainWithin5sAndHasEveryUser()
    {
        await using var first = Instance("read-write");
        await using var second = Instance("read-write");
        await using var traffic = new FailoverTraffic(await first.ReadyAsync(), await second.ReadyAsync());
        await traffic.GoesOnAsync();

        await ReplicatedPostgres.ExecuteAsync(_postgres.First, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()");
        await traffic.IsRefusedAsync();
        var promoted = await PromoteAsync(traffic);
        await traffic.GoesOnAsync();
        await traffic.EndAsync();

        await HoldsAsync(traffic, promoted);
    }

    [Fact]
    public async Task StandbyAway_SameUserAgain_IsNotAcknowledgedBeforeItIsReplicated()
    {
        await using var api = Instance();
        var client = await api.ReadyAsync();
        await _postgres.Second.StopAsync();

        var created = await client.PutUserAsync("alice", "Alice", Password);
        // The primary has her, whom its standby has not.
        await Eventually.HoldsAsync(async () => await client.AnswerToGetAsync("/user/alice") == Answer.User(200, "Alice"));
        var again = await client.PutUserAsync("alice", "Alice", Password);
        await _postgres.Second.StartAsync(Cancellation);
        await Eventually.HoldsAsync(async () => await client.PutUserAsync("alice", "Alice", Password) == Answer.User(200, "Alice"));

        Assert.Equal(Enumerable.Repeat(Answer.Problem(503, "Service Unavailable", "The database is not available."), 2), [created, again]);
        Assert.Equal(["alice"], await Sql.ColumnAsync(_postgres.Second.ConnectionString("users"), "SELECT username FROM users"));
    }

    private async Task<TimeSpan> PromoteAsync(FailoverTraffic traffic)
    {
        await _postgres.PromoteAsync();
        Assert.False(await Sql.ScalarAsync<bool>(_postgres.Second.ConnectionString("users"), "SELECT pg_is_in_recovery()"));
        return traffic.Now;
    }

    private async Task HoldsAsync(FailoverTraffic traffic, TimeSpan promoted)
    {
        var back = traffic.Back(promoted);
        TestContext.Current.TestOutputHelper!.WriteLine($"back after {back}, {traffic.Acknowledged.Count} users acknowledged");
        Assert.Equal([], traffic.Unexpected);
        Assert.True(back.Write < Back && back.Read < Back, $"The service was back {back} after the promotion.");
        HashSet<string> kept = [.. await Sql.ColumnAsync(_postgres.Second.ConnectionString("users"), "SELECT username || ' ' || upper(replace(uuid::text, '-', '')) FROM users")];
        string[] lost = [.. traffic.Acknowledged.Select(a => $"{a.Key} {a.Value}").Where(a => !kept.Contains(a))];
        Assert.Equal([], lost);
        var notRead = await traffic.NotReadAsync();
        Assert.Equal([], notRead);
    }

    // Cheap passwords, as two cores carry all of it.
    private ApiInstance Instance(string target = "primary", int? firstPort = null) =>
        new(_postgres.ConnectionString(target, firstPort), ("Passwords:MemoryKiB", "8192"), ("Passwords:Passes", "1"));
}
