namespace UserSvc.Tests.Edge;

public sealed class BalancingTests : IAsyncLifetime
{
    private readonly List<Upstream> _upstreams = [];

    private static readonly (string, string) FastProbing = ($"{EdgeHost.Probing}:Interval", "00:00:00.100");

    public async ValueTask InitializeAsync()
    {
        for (var i = 1; i <= 3; i++)
        {
            _upstreams.Add(await Upstream.StartAsync($"usersvc-{i}"));
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var upstream in _upstreams)
        {
            await upstream.DisposeAsync();
        }
    }

    [Fact]
    public async Task Requests_OverThreeHealthyInstances_AreAnsweredInEqualParts()
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams);

        var answers = await AskAsync(edge, 300);

        Assert.Equal([("200 usersvc-1", 100), ("200 usersvc-2", 100), ("200 usersvc-3", 100)], answers);
    }

    [Theory]
    [InlineData("Random")]
    [InlineData("PowerOfTwoChoices")]
    public async Task Requests_UnderAPolicyOfChance_AreAllAnsweredAndGoToEveryInstance(string policy)
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams, ("ReverseProxy:Clusters:usersvc:LoadBalancingPolicy", policy));

        var answers = await AskAsync(edge, 300);

        // One of three is missed in 300 by chance once in 10^52.
        Assert.Equal(["200 usersvc-1", "200 usersvc-2", "200 usersvc-3"], answers.Select(a => a.Answer));
    }

    [Theory]
    [InlineData("LeastRequests")]
    [InlineData("PowerOfTwoChoices")]
    public async Task Requests_UnderAPolicyThatCounts_SpareABusyInstance(string policy)
    {
        var busy = new TaskCompletionSource();
        var held = 0;
        await using var one = await Upstream.StartAsync("usersvc-1", HoldTheFirstAsync);
        await using var other = await Upstream.StartAsync("usersvc-2", HoldTheFirstAsync);
        await using var edge = await EdgeHost.ReadyAsync([one, other], ("ReverseProxy:Clusters:usersvc:LoadBalancingPolicy", policy));
        var first = edge.Public.AskAsync("/user/health");
        await Eventually.HoldsAsync(() => Task.FromResult(Volatile.Read(ref held) == 1));

        await AskAsync(edge, 50);
        busy.SetResult();
        await first;

        // With two to choose from, two choices are all.
        Assert.Equal([1, 50], new[] { one.Requests.Count, other.Requests.Count }.Order());

        Task HoldTheFirstAsync(Microsoft.AspNetCore.Http.HttpContext context) => Interlocked.Increment(ref held) == 1 ? busy.Task : Task.CompletedTask;
    }

    [Fact]
    public async Task Requests_WithOneInstanceStopped_DoNotFailAfterTheNextRoundOfProbes()
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams, FastProbing);
        await AskAsync(edge, 30);

        await _upstreams[1].StopAsync();
        await NextRoundAsync();
        var answers = await AskAsync(edge, 100);

        Assert.Equal([("200 usersvc-1", 50), ("200 usersvc-3", 50)], answers);
    }

    [Fact]
    public async Task Instance_FailingAProbe_GetsNoRequestUntilAProbeSucceeds()
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams, FastProbing);

        _upstreams[0].Healthy = false;
        await NextRoundAsync();
        var without = await AskAsync(edge, 30);
        _upstreams[0].Healthy = true;
        await NextRoundAsync();
        var with = await AskAsync(edge, 30);

        Assert.Equal([("200 usersvc-2", 15), ("200 usersvc-3", 15)], without);
        Assert.Equal([("200 usersvc-1", 10), ("200 usersvc-2", 10), ("200 usersvc-3", 10)], with);
    }

    // The first probe from now may belong to a round already begun, the second to the round meant; the third says that one is over.
    private async Task NextRoundAsync()
    {
        var probes = _upstreams[2].Probes;
        await Eventually.HoldsAsync(() => Task.FromResult(_upstreams[2].Probes >= probes + 3));
    }

    private static async Task<List<(string Answer, int Count)>> AskAsync(EdgeHost edge, int times)
    {
        var answers = new List<string>();
        for (var i = 0; i < times; i++)
        {
            using var response = await edge.Public.GetAsync("/user/health", TestContext.Current.CancellationToken);
            answers.Add($"{(int)response.StatusCode} {await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)}");
        }

        return [.. answers.CountBy(a => a).Select(a => (a.Key, a.Value)).Order()];
    }
}
