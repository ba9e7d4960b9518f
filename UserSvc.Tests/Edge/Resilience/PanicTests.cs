using System.Net;
using System.Net.Sockets;

namespace UserSvc.Tests.Edge.Resilience;

public sealed class PanicTests : IAsyncLifetime
{
    private static readonly (string, string)[] FastProbing = [($"{EdgeHost.Probing}:Interval", "00:00:00.050")];

    private readonly List<Upstream> _upstreams = [];

    public async ValueTask InitializeAsync()
    {
        for (var i = 1; i <= 4; i++)
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

    [Theory]
    [InlineData(1, "50", "usersvc-2 usersvc-3 usersvc-4")]
    [InlineData(2, "50", "usersvc-3 usersvc-4")]
    [InlineData(3, "50", "usersvc-1 usersvc-2 usersvc-3 usersvc-4")]
    [InlineData(3, "0", "usersvc-4")]
    [InlineData(1, "80", "usersvc-1 usersvc-2 usersvc-3 usersvc-4")]
    public async Task Instances_WhoseProbesAreNotAnswered_GetRequestsOnlyWhenTooFewAreLeft(int silent, string threshold, string answering)
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams, [($"{EdgeHost.Metadata}:Panic.Threshold", threshold), .. FastProbing]);
        _upstreams.Take(silent).ToList().ForEach(u => u.Probeable = false);

        await Eventually.HoldsAsync(() => Task.FromResult(edge.Unhealthy() == silent && edge.Available() == answering.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length));

        Assert.Equal(answering, await AnsweringAsync(edge));
    }

    [Fact]
    public async Task Panic_IsLoggedOnceWhenItBeginsAndOnceWhenItEnds()
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams, FastProbing);
        _upstreams.Take(3).ToList().ForEach(u => u.Probeable = false);
        await Eventually.HoldsAsync(() => Task.FromResult(edge.Unhealthy() == 3));

        _upstreams[0].Probeable = true;
        await Eventually.HoldsAsync(() => Task.FromResult(edge.Available() == 2));

        Assert.Equal(
            [
                "Warning: usersvc panics: 1 of 4 destinations are healthy, fewer than 50%, so all of them get requests",
                "Information: usersvc no longer panics: 2 of 4 destinations are healthy",
            ],
            edge.Log.Lines.Where(line => line.Contains("panics", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Instance_SilentForTheTimeOfAProbe_CountsAsNotAnswering()
    {
        // Takes connections into its queue and never answers.
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", $"http://{silent.LocalEndpoint}")], [($"{EdgeHost.Probing}:Timeout", "00:00:00.100"), .. FastProbing]);

        await Eventually.HoldsAsync(() => Task.FromResult(edge.Unhealthy() == 1));

        // Silence is not a refusal: with too few left, it still gets requests.
        Assert.Equal(1, edge.Available());
    }

    [Theory]
    [InlineData(3, "usersvc-4")]
    [InlineData(4, "")]
    public async Task Instances_ThatSayTheyAreNotReady_GetNoRequestHoweverFewAreLeft(int notReady, string answering)
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams, FastProbing);
        _upstreams.Take(notReady).ToList().ForEach(u => u.Healthy = false);

        await Eventually.HoldsAsync(() => Task.FromResult(edge.Unhealthy() == notReady && edge.Available() == answering.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length));

        Assert.Equal(answering, await AnsweringAsync(edge));
    }

    [Fact]
    public async Task Instances_ThatRefuseConnections_GetNoRequestHoweverFewAreLeft()
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams, FastProbing);
        await Task.WhenAll(_upstreams.Take(3).Select(u => u.StopAsync()));

        await Eventually.HoldsAsync(() => Task.FromResult(edge.Available() == 1));

        Assert.Equal(
            ["1", "1", "1", "1", "1", "1", "1", "1"],
            await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ =>
            {
                await edge.Public.AskAsync("/user/alice");
                return _upstreams[3].Requests.Last().Headers["x-envoy-attempt-count"];
            })));
    }

    private static async Task<string> AnsweringAsync(EdgeHost edge)
    {
        var names = new SortedSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < 12; i++)
        {
            if (await edge.Public.AskAsync("/user/alice") is { Status: 200 } answer)
            {
                names.Add(answer.Body);
            }
        }

        return string.Join(' ', names);
    }
}
