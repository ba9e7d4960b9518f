using Microsoft.Extensions.Time.Testing;
using UserSvc.Edge.Resilience;

namespace UserSvc.Tests.Edge.Resilience;

public sealed class AttemptClockTests
{
    private readonly FakeTimeProvider _time = new();

    [Theory]
    [InlineData(30, 10, "9", "")]
    [InlineData(30, 10, "10", "stalled")]
    [InlineData(30, 10, "9 9 9", "")]
    [InlineData(30, 10, "9 9 10", "stalled")]
    [InlineData(30, 10, "9 9 9 3", "passed")]
    [InlineData(5, 10, "5", "passed")]
    [InlineData(5, 10, "20", "passed")]
    [InlineData(10, 10, "10", "passed")]
    [InlineData(null, 10, "9 9 9 9 9 10", "stalled")]
    public void Attempt_ThatMovedAfterTheseSeconds_Ends(int? limit, int patience, string moves, string expected)
    {
        var clock = AttemptClock.CreatePool(_time).Get();
        clock.Set(limit is { } all ? TimeSpan.FromSeconds(all) : null);
        clock.Watch(TimeSpan.FromSeconds(patience));

        foreach (var seconds in moves.Split(' ').Select(int.Parse))
        {
            _time.Advance(TimeSpan.FromSeconds(seconds));
            clock.Touch();
        }

        Assert.Equal((expected.Length > 0, expected == "stalled", expected == "passed"), (clock.Token.IsCancellationRequested, clock.Stalled, clock.Stop()));
    }

    [Fact]
    public void Clock_UsedAgain_IsNotImpatient()
    {
        var pool = AttemptClock.CreatePool(_time);
        var clock = pool.Get();
        clock.Watch(TimeSpan.FromSeconds(10));
        clock.Stop();
        pool.Return(clock);

        var again = pool.Get();
        again.Set(TimeSpan.FromSeconds(30));
        _time.Advance(TimeSpan.FromSeconds(29));

        Assert.Equal((clock, false), (again, again.Token.IsCancellationRequested));
    }
}
