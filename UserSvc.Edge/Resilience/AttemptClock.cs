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
    private long _patience = Never;
    private long _moved;
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

    /// <summary>Whether the attempt was ended because nothing moved, before its time had passed.</summary>
    public bool Stalled { get; private set; }

    // The earlier of the two ends.
    private long Due => Math.Min(_deadline, _patience == Never ? Never : Volatile.Read(ref _moved) + _patience);

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

    /// <param name="patience">How long after the last <see cref="Touch"/> the attempt is ended too.</param>
    public void Watch(TimeSpan patience)
    {
        var now = Now;
        lock (_lock)
        {
            (_patience, _moved) = ((long)Math.Ceiling(patience.TotalMilliseconds), now);
            Wind(now);
        }
    }

    public void Touch() => Volatile.Write(ref _moved, Now);

    /// <returns>Whether the time had passed.</returns>
    public bool Stop()
    {
        lock (_lock)
        {
            _deadline = _patience = Never;
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
            if (Due > now)
            {
                Wind(now);
                return;
            }

            _passed = _deadline <= now;
            Stalled = !_passed;
        }

        // Cancels no other attempt: the pool does not take this clock back.
        _ended.Cancel();
    }

    private void Wind(long now)
    {
        if (Due is var due && due < _rings)
        {
            _rings = due;
            _timer.Change(TimeSpan.FromMilliseconds(Math.Max(0, due - now)), Timeout.InfiniteTimeSpan);
        }
    }

    private sealed class Policy(TimeProvider time) : PooledObjectPolicy<AttemptClock>
    {
        public override AttemptClock Create() => new(time);

        public override bool Return(AttemptClock obj) => !obj._passed && !obj.Stalled;
    }
}
