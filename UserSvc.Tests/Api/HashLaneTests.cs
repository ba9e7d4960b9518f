using System.Diagnostics.Metrics;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using UserSvc.Api.Passwords;
using UserSvc.ServiceDefaults;

namespace UserSvc.Tests.Api;

public sealed class HashLaneTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    // Holds the requests that hash, so that others wait.
    private readonly ManualResetEventSlim _go = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _go.Set();
        _services.Dispose();
    }

    /// <param name="seconds">How long earlier requests took to hash.</param>
    /// <param name="concurrency">How many hash at a time.</param>
    /// <param name="waiting">How many may then wait for the 2 s that the lane allows.</param>
    [Theory]
    [InlineData("0.5", 1, 4)]
    [InlineData("0.4", 1, 5)]
    [InlineData("0.5", 4, 13)]
    [InlineData("3", 1, 0)]
    // The average is 1 s, then 0.1 + 0.9 × 0.9³⁰ = 0.138 s.
    [InlineData("1 0.1×30", 1, 14)]
    // 0.1 s, then 1 - 0.9 × 0.9¹⁰ = 0.686 s.
    [InlineData("0.1 1×10", 1, 2)]
    public async Task Run_LongerExpectedWaitThanAllowed_IsRefusedAtOnce(string seconds, int concurrency, int waiting)
    {
        using var lane = Lane(concurrency);
        foreach (var took in Durations(seconds))
        {
            await lane.RunAsync(() => Advance(took), Cancellation);
        }

        var admitted = Fill(lane);
        var refusal = await Assert.ThrowsAsync<UnavailableException>(() => lane.RunAsync(() => true, Cancellation));
        _go.Set();

        Assert.Equal((concurrency + waiting, true), (admitted.Count, refusal.Overloaded));
        Assert.All(await Task.WhenAll(admitted), Assert.True);
    }

    [Fact]
    public async Task Run_LongHashesButNobodyHashing_IsAdmitted()
    {
        using var lane = Lane(1);
        await lane.RunAsync(() => Advance(TimeSpan.FromMinutes(1)), Cancellation);

        Assert.True(await lane.RunAsync(() => true, Cancellation));
    }

    [Fact]
    public async Task Run_CallerGone_IsSkippedAndMakesRoom()
    {
        using var lane = Lane(1);
        await lane.RunAsync(() => Advance(TimeSpan.FromSeconds(1)), Cancellation);
        using var caller = new CancellationTokenSource();
        var ran = false;
        var first = lane.RunAsync(Wait, Cancellation);
        var gone = lane.RunAsync(() => ran = true, caller.Token);
        var last = lane.RunAsync(() => true, Cancellation);
        var full = Assert.Throws<UnavailableException>(lane.ThrowIfFull).Overloaded;

        await caller.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => gone);
        lane.ThrowIfFull();
        _go.Set();

        Assert.Equal((true, true, true, false), (full, await first, await last, ran));
    }

    [Fact]
    public async Task Run_HashesThatSuddenlyTakeLong_RefusesThoseThatHaveWaitedTwiceAsLongAsAllowed()
    {
        using var lane = Lane(1);
        var first = lane.RunAsync(Wait, Cancellation);
        var waiting = Enumerable.Range(0, 3).Select(_ => lane.RunAsync(() => Advance(TimeSpan.FromSeconds(3)), Cancellation)).ToList();

        _go.Set();
        var outcomes = new List<bool>();
        foreach (var task in waiting)
        {
            // Those that are admitted end after 3 and 6 s.
            outcomes.Add(await task.ContinueWith(t => t.IsCompletedSuccessfully, TaskScheduler.Default));
        }

        Assert.True(await first);
        Assert.Equal([true, true, false], outcomes);
    }

    [Fact]
    public void Run_NothingMeasured_AdmitsTenThousand()
    {
        using var lane = Lane(1);

        Assert.Equal(10_001, Fill(lane).Count);
    }

    private HashLane Lane(int concurrency) =>
        new(Options.Create(new PasswordHasherOptions { Concurrency = concurrency, MaxWait = TimeSpan.FromSeconds(2) }), _time, _services.GetRequiredService<IMeterFactory>());

    private bool Advance(TimeSpan time)
    {
        _time.Advance(time);
        return true;
    }

    private bool Wait()
    {
        _go.Wait(Cancellation);
        return true;
    }

    // As many requests as the lane admits.
    private List<Task<bool>> Fill(HashLane lane)
    {
        var admitted = new List<Task<bool>>();
        while (true)
        {
            var next = lane.RunAsync(Wait, Cancellation);
            if (next.IsFaulted)
            {
                return admitted;
            }

            admitted.Add(next);
        }
    }

    // "1 0.1×30": one of 1 s, then thirty of 0.1 s.
    private static IEnumerable<TimeSpan> Durations(string seconds) =>
        from part in seconds.Split(' ')
        let pair = part.Split('×')
        from _ in Enumerable.Range(0, pair.Length == 1 ? 1 : int.Parse(pair[1], CultureInfo.InvariantCulture))
        select TimeSpan.FromSeconds(double.Parse(pair[0], CultureInfo.InvariantCulture));
}
