namespace UserSvc.Edge.Statistics;

/// <summary>What the tries of a destination or cluster came to in the last whole interval of sampling, a second.</summary>
internal sealed class Interval
{
    private HistogramSnapshot _seen = HistogramSnapshot.Empty;
    private long _total, _errors;

    /// <summary>Tries and errors a second.</summary>
    public double Rate { get; private set; }

    public double ErrorRate { get; private set; }

    public HistogramSnapshot Latency { get; private set; } = HistogramSnapshot.Empty;

    /// <summary>Begins the next one. For one caller alone.</summary>
    public void Advance(TryStatistics tries, TimeSpan elapsed)
    {
        var (total, errors, seen) = (tries.Total, tries.Errors, tries.Latency);
        Rate = (total - _total) / elapsed.TotalSeconds;
        ErrorRate = (errors - _errors) / elapsed.TotalSeconds;
        Latency = seen.Since(_seen);
        (_total, _errors, _seen) = (total, errors, seen);
    }
}
