using UserSvc.Edge.Resilience;

namespace UserSvc.Edge.Statistics;

/// <summary>
/// What became of the tries that went to a destination, or to a cluster's. Plain counters, added to on the request path and read from
/// there by OTLP, Prometheus, the admin endpoints and the page alike: a tagged instrument costs more than all of them.
/// </summary>
internal sealed class TryStatistics
{
    private long _total, _errors, _timeouts, _connectFailures, _resets;
    private LatencyHistogram? _latency;

    /// <summary>Tries that have begun.</summary>
    public long Total => Volatile.Read(ref _total);

    /// <summary>Tries that failed by the upstream's fault: 5xx without the mark of overload, timeouts, no connection, resets, broken answers.</summary>
    public long Errors => Volatile.Read(ref _errors);

    public long Timeouts => Volatile.Read(ref _timeouts);

    public long ConnectFailures => Volatile.Read(ref _connectFailures);

    public long Resets => Volatile.Read(ref _resets);

    public StatusClasses Answers { get; } = new();

    /// <summary>Of tries that were answered, until the end of the answer, and of those that timed out.</summary>
    public HistogramSnapshot Latency => Volatile.Read(ref _latency)?.Read() ?? HistogramSnapshot.Empty;

    /// <summary>The last whole interval, which <see cref="Sampling"/> alone moves on.</summary>
    public Interval Interval { get; } = new();

    public void Begin() => Interlocked.Increment(ref _total);

    /// <param name="outcome">What the try came to.</param>
    /// <param name="status">The answer's, where there was one.</param>
    /// <param name="elapsed">In ticks of Stopwatch.</param>
    public void End(TryOutcome outcome, int status, long elapsed)
    {
        switch (outcome)
        {
            case TryOutcome.Answered or TryOutcome.Failed or TryOutcome.Overloaded:
                Answers.Add(status);
                break;
            case TryOutcome.TimedOut:
                Interlocked.Increment(ref _timeouts);
                break;
            case TryOutcome.ConnectFailure:
                Interlocked.Increment(ref _connectFailures);
                break;
            case TryOutcome.Reset:
                Interlocked.Increment(ref _resets);
                break;
        }

        if (outcome.IsFailure())
        {
            Interlocked.Increment(ref _errors);
        }

        // A connection that was upgraded lives on for hours.
        if (outcome is TryOutcome.Answered or TryOutcome.Failed or TryOutcome.Overloaded or TryOutcome.TimedOut && status != StatusCodes.Status101SwitchingProtocols)
        {
            (_latency ?? Allocate()).Record(elapsed);
        }
    }

    private LatencyHistogram Allocate()
    {
        Interlocked.CompareExchange(ref _latency, new(), null);
        return _latency;
    }
}
