using UserSvc.Tests.Chaos;
using UserSvc.Tests.Edge;

namespace UserSvc.Tests.Attacks;

/// <summary>Each attack briefly, against limits that few clients reach.</summary>
[Scenario]
[Collection(typeof(OneByOne))]
public sealed class AttackTests(AttackTests.Attacked attacked) : IClassFixture<AttackTests.Attacked>
{
    private const int Clients = 160;
    private const int Addresses = 4;

    [Theory]
    [InlineData("slow-heads")]
    [InlineData("slow-bodies")]
    [InlineData("slow-reads")]
    [InlineData("idle-sockets")]
    [InlineData("tls-handshakes")]
    [InlineData("http2-aborted-streams")]
    [InlineData("http2-empty-continuation")]
    [InlineData("http2-empty-data")]
    [InlineData("http2-settings")]
    [InlineData("http2-ping")]
    [InlineData("http2-priority")]
    [InlineData("http2-window-update")]
    [InlineData("contention")]
    [InlineData("hash-flood")]
    [InlineData("huge-headers")]
    [InlineData("stalled-events")]
    public async Task Attack_WhileAQuietClientReads_FailsNoneOfItsRequestsAndLeavesNothing(string name)
    {
        var attack = Attack.All().Single(a => a.Name == name);
        var clients = Math.Min(attack.Clients, Clients);
        await Eventually.HoldsAsync(async () => await EdgeState.ReadAsync(attacked.Target) == EdgeState.AtRest);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);

        var attacking = attack.RunAsync(attacked.Target, clients, Addresses, ending.Token);
        await Eventually.HoldsAsync(() => Task.FromResult(attack.Done.Connections >= clients));
        var seen = await QuietClient.RunAsync(attacked.Target.User(attack), 25, Eventually.Deadline);
        await ending.CancelAsync();
        await attacking;

        Assert.Equal([], seen.Failures);
        await Eventually.HoldsAsync(async () => await EdgeState.ReadAsync(attacked.Target) == EdgeState.AtRest);
    }

    public sealed class Attacked(SharedSystem shared) : IAsyncLifetime
    {
        internal AttackTarget Target { get; private set; } = null!;

        // Limits below the number of clients.
        public async ValueTask InitializeAsync() => Target = await AttackTarget.StartAsync(await shared.GetAsync(),
            ("Edge:Connections:Max", "150"), ($"{EdgeHost.Metadata}:CircuitBreaker.MaxRequests", "120"));

        public ValueTask DisposeAsync() => Target.DisposeAsync();
    }
}
