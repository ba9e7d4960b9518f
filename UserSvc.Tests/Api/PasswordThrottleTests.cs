using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using UserSvc.Api.Passwords;

namespace UserSvc.Tests.Api;

public sealed class PasswordThrottleTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task Enter_AfterFiveFailures_IsOneTryEachTenSeconds()
    {
        var throttle = Throttle(new());
        var waits = new List<double>();

        foreach (var seconds in (int[])[0, 0, 0, 0, 0, 0, 4, 6, 0, 10, 1])
        {
            _time.Advance(TimeSpan.FromSeconds(seconds));
            waits.Add(await FailAsync(throttle, "alice"));
        }

        Assert.Equal([0, 0, 0, 0, 0, 10, 6, 0, 10, 0, 9], waits);
    }

    [Fact]
    public async Task Enter_AfterSuccess_HasEveryTryAgain()
    {
        var throttle = Throttle(new() { Burst = 2 });
        await FailAsync(throttle, "alice");

        var (attempt, _) = await throttle.EnterAsync("alice", TestContext.Current.CancellationToken);
        attempt!.Succeed();
        attempt.Dispose();

        Assert.Equal(new double[] { 0, 0, 10 }, new[] { await FailAsync(throttle, "alice"), await FailAsync(throttle, "alice"), await FailAsync(throttle, "alice") });
    }

    [Fact]
    public async Task Enter_TryWithoutOutcome_CountsAsNeverMade()
    {
        var throttle = Throttle(new() { Burst = 1 });
        var (attempt, _) = await throttle.EnterAsync("alice", TestContext.Current.CancellationToken);

        attempt!.Dispose();

        Assert.Equal(new double[] { 0, 10 }, new[] { await FailAsync(throttle, "alice"), await FailAsync(throttle, "alice") });
    }

    [Fact]
    public async Task Enter_TryWithTwoGuesses_CountsTwice()
    {
        var throttle = Throttle(new() { Burst = 2 });
        var (attempt, _) = await throttle.EnterAsync("alice", TestContext.Current.CancellationToken);
        attempt!.Fail(guesses: 2);
        attempt.Dispose();

        Assert.Equal(10, await FailAsync(throttle, "alice"));
    }

    [Fact]
    public async Task Enter_AllTriesUnderWay_WaitsForOneToEnd()
    {
        var throttle = Throttle(new() { Burst = 1 });
        var (first, _) = await throttle.EnterAsync("alice", TestContext.Current.CancellationToken);

        var second = throttle.EnterAsync("alice", TestContext.Current.CancellationToken);
        var waited = !second.IsCompleted;
        first!.Succeed();
        first.Dispose();

        Assert.True(waited);
        Assert.NotNull((await second).Try);
    }

    [Fact]
    public async Task Enter_FullTable_ForgetsTheLeastRecentlyTried()
    {
        var throttle = Throttle(new() { Burst = 1, Names = 100 });
        for (var i = 0; i < 101; i++)
        {
            await FailAsync(throttle, $"name {i}");
        }

        Assert.Equal(new double[] { 10, 0 }, new[] { await FailAsync(throttle, "name 100"), await FailAsync(throttle, "name 0") });
    }

    private PasswordThrottle Throttle(PasswordThrottleOptions options) => new(Options.Create(options), _time);

    // The seconds to wait: 0 where the try was made.
    private static async Task<double> FailAsync(PasswordThrottle throttle, string name)
    {
        var (attempt, retryAfter) = await throttle.EnterAsync(name, TestContext.Current.CancellationToken);
        attempt?.Fail();
        attempt?.Dispose();
        return retryAfter.TotalSeconds;
    }
}
