using UserSvc.Tests.Chaos;
using UserSvc.Tests.Edge;

namespace UserSvc.Tests.Attacks;

/// <summary>The attacks that the edge withstands, each briefly, against limits that few clients reach.</summary>
[Scenario]
[Collection(typeof(OneByOne))]
public sealed class AttackTests(AttackTests.Attacked attacked) : IClassFixture<AttackTests.Attacked>
{
    private const int Clients = 100;

    [Theory]
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

        var attacking = attack.RunAsync(attacked.Target, clients, ending.Token);
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

        // An address may have half of what the others leave: enough for every request of the quiet client to wait for a connection of its own.
        public async ValueTask InitializeAsync() => Target = await AttackTarget.StartAsync(await shared.GetAsync(),
            ("Edge:Connections:Max", "120"), ($"{EdgeHost.Metadata}:CircuitBreaker.MaxRequests", "80"));

        public ValueTask DisposeAsync() => Target.DisposeAsync();
    }
}
