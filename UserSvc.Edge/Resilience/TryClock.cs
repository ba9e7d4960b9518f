using Microsoft.Extensions.ObjectPool;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Ends a try when its time has passed. Clocks are used again, and their timers run on in between: when one rings it looks at the deadline
/// of the moment, so that under load a timer is set once a second and not three times a request.
/// </summary>
internal sealed class TryClock : IDisposable
{
    private const long Never = long.MaxValue;

    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _ended = new();
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private long _deadline = Never;
    private long _rings = Never;
    private bool _passed;

    private TryClock(TimeProvider time)
    {
        _time = time;
        // A timer keeps the context of whoever makes it, here a request's.
        using (ExecutionContext.SuppressFlow())
        {
            _timer = time.CreateTimer(static clock => ((TryClock)clock!).Ring(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        }
    }

    public CancellationToken Token => _ended.Token;

    // Milliseconds.
    private long Now => _time.GetTimestamp() / (_time.TimestampFrequency / 1_000);

    /// <summary>As many as there are requests in flight, so that under load none is made; past it, they are made and thrown away.</summary>
    public static ObjectPool<TryClock> CreatePool(TimeProvider time) => new DefaultObjectPoolProvider { MaximumRetained = 1024 }.Create(new Policy(time));

    /// <param name="time">From now until the try is ended; null is never.</param>
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

        // No other try's: one that has passed is never used again.
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

    private sealed class Policy(TimeProvider time) : PooledObjectPolicy<TryClock>
    {
        public override TryClock Create() => new(time);

        public override bool Return(TryClock obj) => !obj._passed;
    }
}
