using Microsoft.Extensions.ObjectPool;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Ends an attempt when its time has passed. Clocks are pooled and their timers keep running: one that fires checks the current deadline.
/// Under load this sets a timer about once a second instead of three times per request.
/// </summary>
internal sealed class AttemptClock : IDisposable
{
    private const long Never = long.MaxValue;

    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _ended = new();
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private long _deadline = Never;
    private long _rings = Never;
    private bool _passed;

    private AttemptClock(TimeProvider time)
    {
        _time = time;
        // A timer captures the execution context of its creator, here a request's.
        using (ExecutionContext.SuppressFlow())
        {
            _timer = time.CreateTimer(static clock => ((AttemptClock)clock!).Ring(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    public CancellationToken Token => _ended.Token;

    // Milliseconds.
    private long Now => _time.GetTimestamp() / (_time.TimestampFrequency / 1_000);

    /// <summary>Keeps enough for the requests in flight; beyond that, clocks are created and thrown away.</summary>
    public static ObjectPool<AttemptClock> CreatePool(TimeProvider time) => new DefaultObjectPoolProvider { MaximumRetained = 1024 }.Create(new Policy(time));

    /// <param name="time">How long from now until the attempt is ended; null means never.</param>
    public void Set(TimeSpan? time)
    {
        var now = Now;
        lock (_lock)
        {
            _deadline = time is { } set ? now + (long)Math.Ceiling(set.TotalMilliseconds) : Never;
            Wind(now);
        }
    }

    /// <returns>Whether the time had passed.</returns>
    public bool Stop()
    {
        lock (_lock)
        {
            _deadline = Never;
            return _passed;
        }
    }

    public void Dispose() => _timer.Dispose();

    private void Ring()
    {
        var now = Now;
        lock (_lock)
        {
            _rings = Never;
            if (_deadline > now)
            {
                Wind(now);
                return;
            }

            _passed = true;
        }

        // Cancels no other attempt: the pool does not take this clock back.
        _ended.Cancel();
    }

    private void Wind(long now)
    {
        if (_deadline < _rings)
        {
            _rings = _deadline;
            _timer.Change(TimeSpan.FromMilliseconds(Math.Max(0, _deadline - now)), Timeout.InfiniteTimeSpan);
        }
    }

    private sealed class Policy(TimeProvider time) : PooledObjectPolicy<AttemptClock>
    {
        public override AttemptClock Create() => new(time);

        public override bool Return(AttemptClock obj) => !obj._passed;
    }
}
