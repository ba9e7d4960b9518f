namespace UserSvc.Edge.Statistics;

/// <summary>How an attempt ended: the one classification that retries, ejection and statistics use.</summary>
internal enum AttemptOutcome
{
    /// <summary>Says nothing about the destination: the client left, or sent its body slowly.</summary>
    Nothing,

    /// <summary>Any status below 500.</summary>
    Answered,

    /// <summary>A 5xx marked as overload: a healthy instance says no.</summary>
    Overloaded,

    /// <summary>Any other 5xx.</summary>
    Failed,

    /// <summary>502 or 503, not marked as overload.</summary>
    GatewayError,

    /// <summary>No connection: refused, timed out, name not found, TLS failed. No byte of the request reached the destination.</summary>
    ConnectFailure,

    /// <summary>The connection broke before the answer's headers.</summary>
    Reset,

    /// <summary>The destination had the whole request and did not answer in time.</summary>
    TimedOut,

    /// <summary>The answer is not HTTP, or its body broke off.</summary>
    BrokenAnswer,
}

internal static class AttemptOutcomes
{
    public static bool IsAnswer(this AttemptOutcome outcome) => outcome is >= AttemptOutcome.Answered and <= AttemptOutcome.GatewayError;

    /// <summary>Whether the destination is to blame.</summary>
    public static bool IsFailure(this AttemptOutcome outcome) => outcome >= AttemptOutcome.Failed;
}

/// <summary>
/// How the attempts at a destination, or at all of a cluster, ended. The request path counts here; OTLP, Prometheus, the admin endpoints
/// and the page read it. One tagged instrument would cost more than all of these counters.
/// </summary>
internal sealed class AttemptStatistics
{
    private long _total, _errors, _timeouts, _connectFailures, _resets;
    private LatencyHistogram? _latency;

    /// <summary>Attempts that have begun.</summary>
    public long Total => Volatile.Read(ref _total);

    /// <summary>Attempts that the destination failed: 5xx not marked as overload, timeouts, no connection, resets, broken answers.</summary>
    public long Errors => Volatile.Read(ref _errors);

    public long Timeouts => Volatile.Read(ref _timeouts);

    public long ConnectFailures => Volatile.Read(ref _connectFailures);

    public long Resets => Volatile.Read(ref _resets);

    public StatusClasses Answers { get; } = new();

    /// <summary>Of answered attempts, until the end of the answer, and of those that timed out.</summary>
    public HistogramSnapshot Latency => Volatile.Read(ref _latency)?.Read() ?? HistogramSnapshot.Empty;

    /// <summary>The last whole sampling interval. Only the sampler advances it.</summary>
    public AttemptInterval Interval { get; } = new();

    public void Begin() => Interlocked.Increment(ref _total);

    /// <param name="outcome">How the attempt ended.</param>
    /// <param name="status">The answer's status; ignored without an answer.</param>
    /// <param name="elapsed">In ticks of <see cref="System.Diagnostics.Stopwatch"/>.</param>
    public void End(AttemptOutcome outcome, int status, long elapsed)
    {
        switch (outcome)
        {
            case AttemptOutcome.TimedOut:
                Interlocked.Increment(ref _timeouts);
                break;
            case AttemptOutcome.ConnectFailure:
                Interlocked.Increment(ref _connectFailures);
                break;
            case AttemptOutcome.Reset:
                Interlocked.Increment(ref _resets);
                break;
            case var _ when outcome.IsAnswer():
                Answers.Add(status);
                break;
        }

        if (outcome.IsFailure())
        {
            Interlocked.Increment(ref _errors);
        }

        // An upgraded connection lives for hours.
        if ((outcome.IsAnswer() && status != StatusCodes.Status101SwitchingProtocols) || outcome is AttemptOutcome.TimedOut)
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

/// <summary>Answers by the first digit of their status, 1 to 5.</summary>
internal sealed class StatusClasses
{
    private readonly long[] _counts = new long[6];

    public long this[int first] => Volatile.Read(ref _counts[first]);

    public long Total => this[1] + this[2] + this[3] + this[4] + this[5];

    public void Add(int status)
    {
        if (status is >= 100 and < 600)
        {
            Interlocked.Increment(ref _counts[status / 100]);
        }
    }
}

/// <summary>The attempts of the last whole sampling interval, a second.</summary>
internal sealed class AttemptInterval
{
    private HistogramSnapshot _seen = HistogramSnapshot.Empty;
    private long _total, _errors;

    /// <summary>Attempts per second.</summary>
    public double Rate { get; private set; }

    /// <summary>Errors per second.</summary>
    public double ErrorRate { get; private set; }

    public HistogramSnapshot Latency { get; private set; } = HistogramSnapshot.Empty;

    /// <summary>Begins the next interval. Not thread-safe.</summary>
    public void Advance(AttemptStatistics attempts, TimeSpan elapsed)
    {
        var (total, errors, seen) = (attempts.Total, attempts.Errors, attempts.Latency);
        Rate = (total - _total) / elapsed.TotalSeconds;
        ErrorRate = (errors - _errors) / elapsed.TotalSeconds;
        Latency = seen.Since(_seen);
        (_total, _errors, _seen) = (total, errors, seen);
    }
}
