using System.Collections.Concurrent;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using UserSvc.Api.Passwords;
using UserSvc.ServiceDefaults;

namespace UserSvc.Tests.Api;

public sealed class PasswordThrottleTests
{
    private const string Address = "alice's address";

    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task Enter_AfterFiveFailures_IsOneAttemptEveryTenSeconds()
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
    public async Task Enter_AfterSuccess_HasEveryAttemptAgain()
    {
        var throttle = Throttle(new() { Burst = 2 });
        await FailAsync(throttle, "alice");

        var (attempt, _) = await throttle.EnterAsync("alice", Address, TestContext.Current.CancellationToken);
        attempt!.Succeed();
        attempt.Dispose();

        Assert.Equal(new double[] { 0, 0, 10 }, new[] { await FailAsync(throttle, "alice"), await FailAsync(throttle, "alice"), await FailAsync(throttle, "alice") });
    }

    [Fact]
    public async Task Enter_AttemptWithoutOutcome_CountsAsNeverMade()
    {
        var throttle = Throttle(new() { Burst = 1 });
        var (attempt, _) = await throttle.EnterAsync("alice", Address, TestContext.Current.CancellationToken);

        attempt!.Dispose();

        Assert.Equal(new double[] { 0, 10 }, new[] { await FailAsync(throttle, "alice"), await FailAsync(throttle, "alice") });
    }

    [Fact]
    public async Task Enter_AttemptWithTwoGuesses_CountsTwice()
    {
        var throttle = Throttle(new() { Burst = 2 });
        var (attempt, _) = await throttle.EnterAsync("alice", Address, TestContext.Current.CancellationToken);
        attempt!.Fail(guesses: 2);
        attempt.Dispose();

        Assert.Equal(10, await FailAsync(throttle, "alice"));
    }

    [Fact]
    public async Task Enter_AllAttemptsInProgress_WaitsForOneToEnd()
    {
        var throttle = Throttle(new() { Burst = 1 });
        var (first, _) = await throttle.EnterAsync("alice", Address, TestContext.Current.CancellationToken);

        var second = throttle.EnterAsync("alice", Address, TestContext.Current.CancellationToken);
        var waited = !second.IsCompleted;
        first!.Succeed();
        first.Dispose();

        Assert.True(waited);
        Assert.NotNull((await second).Attempt);
    }

    [Fact]
    public async Task Enter_FullTable_ForgetsTheLeastRecentlyUsed()
    {
        var throttle = Throttle(new() { Burst = 1, Counts = 300 });
        for (var i = 0; i < 102; i++)
        {
            await FailAsync(throttle, $"name {i}");
        }

        Assert.Equal(new double[] { 10, 0, 0 }, new[] { await FailAsync(throttle, "name 101"), await FailAsync(throttle, "name 0"), await FailAsync(throttle, "name 1") });
    }

    [Fact]
    public async Task Enter_FullTable_KeepsANameUsedAgain()
    {
        var throttle = Throttle(new() { Burst = 1, Counts = 300 });
        for (var i = 0; i < 100; i++)
        {
            await FailAsync(throttle, $"name {i}");
        }

        await FailAsync(throttle, "name 0");
        await FailAsync(throttle, "name 100");

        Assert.Equal(new double[] { 10, 0 }, new[] { await FailAsync(throttle, "name 0"), await FailAsync(throttle, "name 1") });
    }

    [Fact]
    public async Task Enter_AfterOthersSucceeded_StillKnowsTheFailures()
    {
        var throttle = Throttle(new() { Burst = 1, Counts = 300 });
        await FailAsync(throttle, "alice");
        for (var i = 0; i < 100; i++)
        {
            await SucceedAsync(throttle, $"name {i}");
        }

        Assert.Equal(10, await FailAsync(throttle, "alice"));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Fail_AfterALongAttempt_CostsItsToken(int burst)
    {
        var throttle = Throttle(new() { Burst = burst });
        var attempts = new List<PasswordThrottle.Attempt>();
        for (var i = 0; i < burst; i++)
        {
            attempts.Add((await EnterAsync(throttle))!);
        }

        _time.Advance(TimeSpan.FromSeconds(60));
        foreach (var attempt in attempts)
        {
            attempt.Fail();
            attempt.Dispose();
        }

        Assert.Equal(10, await FailAsync(throttle, "alice"));
    }

    [Fact]
    public async Task Enter_WhileALongAttemptIsInProgress_Waits()
    {
        var throttle = Throttle(new() { Burst = 1 });
        using var first = await EnterAsync(throttle);
        _time.Advance(TimeSpan.FromSeconds(60));

        var second = throttle.EnterAsync("alice", Address, TestContext.Current.CancellationToken);

        Assert.False(second.IsCompleted);
    }

    [Fact]
    public async Task Succeed_WhileAnotherAttemptIsInProgress_LeavesOneToken()
    {
        var throttle = Throttle(new() { Burst = 2 });
        var first = (await EnterAsync(throttle))!;
        using var second = await EnterAsync(throttle);
        first.Succeed();
        first.Dispose();

        using var third = await EnterAsync(throttle);
        var fourth = throttle.EnterAsync("alice", Address, TestContext.Current.CancellationToken);

        Assert.Equal((true, false), (third is not null, fourth.IsCompleted));
    }

    [Fact]
    public async Task Enter_SixtyFourWaiting_RefusesTheNext()
    {
        var throttle = Throttle(new() { Burst = 1 });
        using var first = await EnterAsync(throttle);
        var waiting = Wait(throttle, 64);

        var next = throttle.EnterAsync("alice", Address, TestContext.Current.CancellationToken);

        // Checked before the await: a wait here would never end.
        Assert.Equal((0, true), (waiting.Count(w => w.IsCompleted), next.IsCompleted));
        Assert.Equal((null, TimeSpan.FromSeconds(10)), await next);
    }

    [Fact]
    public async Task Enter_SixtyFourWaiting_PassOneAfterTheOther()
    {
        var throttle = Throttle(new() { Burst = 1 });
        var first = await EnterAsync(throttle);
        var waiting = Wait(throttle, 64);

        first!.Succeed();
        first.Dispose();
        var passed = await Task.WhenAll(waiting.Select(async w =>
        {
            var (attempt, _) = await w;
            attempt?.Succeed();
            attempt?.Dispose();
            return attempt is not null;
        }));

        Assert.Equal(64, passed.Count(p => p));
    }

    [Fact]
    public async Task Enter_SixtyFourWaitingAsOneAttemptFails_WaitForTheOther()
    {
        var throttle = Throttle(new() { Burst = 2 });
        var first = await EnterAsync(throttle);
        using var second = await EnterAsync(throttle);
        var continuations = new HeldContinuations();
        var waiting = continuations.Capture(() => Wait(throttle, 64));

        first!.Fail();
        first.Dispose();
        continuations.Run(64);

        Assert.Equal(0, waiting.Count(w => w.IsCompleted));
    }

    [Fact]
    public async Task Enter_TurnThatDoesNotComeInTime_IsRefusedAsOverload()
    {
        var throttle = Throttle(new() { Burst = 1 });
        using var first = await EnterAsync(throttle);
        var waiting = throttle.EnterAsync("alice", Address, TestContext.Current.CancellationToken);

        _time.Advance(TimeSpan.FromSeconds(1.9));
        var early = waiting.IsCompleted;
        _time.Advance(TimeSpan.FromSeconds(0.1));

        var refusal = await Assert.ThrowsAsync<UnavailableException>(() => waiting);
        Assert.Equal((false, true, "Too many checks of passwords for this user or from this address are in progress."), (early, refusal.Overloaded, refusal.Message));
    }

    [Fact]
    public async Task Enter_CancelledWhileWaiting_MakesRoomForAnother()
    {
        var throttle = Throttle(new() { Burst = 1 });
        using var first = await EnterAsync(throttle);
        Wait(throttle, 63);
        using var cancellation = new CancellationTokenSource();
        var last = throttle.EnterAsync("alice", Address, cancellation.Token);
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => last);

        var another = throttle.EnterAsync("alice", Address, TestContext.Current.CancellationToken);
        var refused = throttle.EnterAsync("alice", Address, TestContext.Current.CancellationToken);

        Assert.Equal((false, true), (another.IsCompleted, refused.IsCompleted));
    }

    [Fact]
    public async Task Enter_CancelledAsItsNameIsForgotten_IsCancelled()
    {
        var throttle = Throttle(new() { Burst = 1 });
        var first = await EnterAsync(throttle);
        using var cancellation = new CancellationTokenSource();
        var continuations = new HeldContinuations();
        var waiting = continuations.Capture(() => throttle.EnterAsync("alice", Address, cancellation.Token));

        await cancellation.CancelAsync();
        first!.Succeed();
        first.Dispose();
        continuations.Run(1);

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    [Fact]
    public async Task Enter_CancelledAsItsTurnComes_LeavesTheLimitOfThoseWaiting()
    {
        var throttle = Throttle(new() { Burst = 1 });
        var first = await EnterAsync(throttle);
        using var cancellation = new CancellationTokenSource();
        var continuations = new HeldContinuations();
        _ = continuations.Capture(() => throttle.EnterAsync("alice", Address, cancellation.Token));
        await cancellation.CancelAsync();
        first!.Fail();
        first.Dispose();
        continuations.Run(1);
        _time.Advance(TimeSpan.FromSeconds(10));
        using var second = await EnterAsync(throttle);
        Wait(throttle, 64);

        var refused = throttle.EnterAsync("alice", Address, TestContext.Current.CancellationToken);

        Assert.True(refused.IsCompleted);
    }

    [Fact]
    public async Task Succeed_AfterItsNameWasForgotten_KeepsTheNewFailures()
    {
        var throttle = Throttle(new() { Burst = 1, Counts = 300 });
        var forgotten = await EnterAsync(throttle);
        for (var i = 0; i < 100; i++)
        {
            await FailAsync(throttle, $"name {i}");
        }

        await FailAsync(throttle, "alice");
        forgotten!.Succeed();
        forgotten.Dispose();

        Assert.Equal(10, await FailAsync(throttle, "alice"));
    }

    [Fact]
    public async Task Succeed_AfterItsNameWasForgotten_KeepsTheOtherNames()
    {
        var throttle = Throttle(new() { Burst = 1, Counts = 300 });
        var forgotten = await EnterAsync(throttle);
        for (var i = 0; i < 100; i++)
        {
            await FailAsync(throttle, $"name {i}");
        }

        forgotten!.Succeed();
        forgotten.Dispose();

        Assert.Equal((10, 0), (await FailAsync(throttle, "name 0"), await FailAsync(throttle, "alice")));
    }

    [Theory]
    [InlineData(1, "00:00:00.010", 100, "")]
    [InlineData(1_000, "1.00:00:00", 10_000_000, "")]
    [InlineData(0, "00:00:00.0099999", 99, "Burst Pause AddressesPerName NamesPerAddress Counts Successes")]
    [InlineData(1_001, "1.00:00:00.0000001", 10_000_001, "Burst Pause AddressesPerName NamesPerAddress Counts Successes")]
    public void Options_AtAndBeyondTheirLimits_AreValidated(int few, string pause, int many, string invalid)
    {
        var options = new PasswordThrottleOptions
        {
            Burst = few,
            Pause = TimeSpan.Parse(pause, CultureInfo.InvariantCulture),
            AddressesPerName = few,
            NamesPerAddress = few,
            Counts = many,
            Successes = many,
        };
        var results = new List<ValidationResult>();

        Validator.TryValidateObject(options, new(options), results, validateAllProperties: true);

        Assert.Equal(invalid, string.Join(' ', results.SelectMany(r => r.MemberNames)));
    }

    private PasswordThrottle Throttle(PasswordThrottleOptions options) => new(Options.Create(options), Options.Create(new PasswordHasherOptions()), _time);

    private static async Task<PasswordThrottle.Attempt?> EnterAsync(PasswordThrottle throttle) =>
        (await throttle.EnterAsync("alice", Address, TestContext.Current.CancellationToken)).Attempt;

    private static List<Task<(PasswordThrottle.Attempt? Attempt, TimeSpan RetryAfter)>> Wait(PasswordThrottle throttle, int times) =>
        [.. Enumerable.Range(0, times).Select(_ => throttle.EnterAsync("alice", Address, TestContext.Current.CancellationToken))];

    private static async Task SucceedAsync(PasswordThrottle throttle, string name)
    {
        var (attempt, _) = await throttle.EnterAsync(name, $"{name}'s address", TestContext.Current.CancellationToken);
        attempt!.Succeed();
        attempt.Dispose();
    }

    // The seconds to wait: 0 when the attempt was allowed. Each name is tried from one address, so that a failure is three counts.
    private static async Task<double> FailAsync(PasswordThrottle throttle, string name)
    {
        var (attempt, retryAfter) = await throttle.EnterAsync(name, $"{name}'s address", TestContext.Current.CancellationToken);
        attempt?.Fail();
        attempt?.Dispose();
        return retryAfter.TotalSeconds;
    }

    /// <summary>Holds back continuations until Run, so that a test decides what happens before them.</summary>
    private sealed class HeldContinuations : SynchronizationContext
    {
        private readonly BlockingCollection<(SendOrPostCallback Callback, object? State)> _held = [];

        public override void Post(SendOrPostCallback d, object? state) => _held.Add((d, state));

        public T Capture<T>(Func<T> begin)
        {
            var current = Current;
            SetSynchronizationContext(this);
            try
            {
                return begin();
            }
            finally
            {
                SetSynchronizationContext(current);
            }
        }

        public void Run(int count)
        {
            for (var i = 0; i < count; i++)
            {
                var (callback, state) = _held.Take(TestContext.Current.CancellationToken);
                callback(state);
            }
        }
    }
}
