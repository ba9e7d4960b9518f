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
    private readonly Timer _timer;
    private long _deadline = Never;
    private long _rings = Never;
    private bool _passed;

    private TryClock()
    {
        // A timer keeps the context of whoever makes it, here a request's.
        using (ExecutionContext.SuppressFlow())
        {
            _timer = new(static clock => ((TryClock)clock!).Ring(), this, Timeout.Infinite, Timeout.Infinite);
        }
    }

    public CancellationToken Token => _ended.Token;

    /// <summary>As many as there are requests in flight, so that under load none is made; past it, they are made and thrown away.</summary>
    public static ObjectPool<TryClock> CreatePool() => new DefaultObjectPoolProvider { MaximumRetained = 1024 }.Create(new Policy());

    /// <param name="time">From now until the try is ended; null is never.</param>
    public void Set(TimeSpan? time)
    {
        var now = Environment.TickCount64;
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
        var now = Environment.TickCount64;
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
            _timer.Change(Math.Max(0, _deadline - now), Timeout.Infinite);
        }
    }

    private sealed class Policy : PooledObjectPolicy<TryClock>
    {
        public override TryClock Create() => new();

        public override bool Return(TryClock obj) => !obj._passed;
    }
}
