namespace UserSvc.Edge.Statistics;

/// <summary>How the requests to a cluster ended, including those to destinations that are gone.</summary>
internal sealed class ClusterStatistics
{
    private readonly Counter[] _retries = [.. Enum.GetValues<AttemptOutcome>().Select(_ => new Counter())];

    public AttemptStatistics Attempts { get; } = new();

    /// <summary>Attempts after the first.</summary>
    public long Retries => _retries.Sum(r => r.Value);

    /// <summary>Requests that a later attempt answered.</summary>
    public Counter RetrySuccesses { get; } = new();

    /// <summary>Retries that the budget refused.</summary>
    public Counter RetryOverflows { get; } = new();

    /// <summary>Requests refused at the cluster's limit of requests in flight.</summary>
    public Counter ClusterOverflows { get; } = new();

    /// <summary>Requests refused because their client had its share of those in flight.</summary>
    public Counter ClientOverflows { get; } = new();

    /// <summary>Requests refused because every destination was at its limit.</summary>
    public Counter DestinationOverflows { get; } = new();

    public Counter EjectionCount { get; } = new();

    /// <summary>Requests refused at any of these limits.</summary>
    public long Refused => ClusterOverflows.Value + ClientOverflows.Value + DestinationOverflows.Value;

    public SampleRing Samples { get; } = new();

    /// <summary>Retries of attempts that ended this way.</summary>
    public Counter RetriesAfter(AttemptOutcome outcome) => _retries[(int)outcome];
}

/// <summary>A cluster in one second: rates per second, latencies in milliseconds, null without a request; ejections are a count.</summary>
internal sealed record Sample(DateTime Time, double Requests, double Errors, double? P50, double? P99, double Retries, long Ejections);

/// <summary>The last fifteen minutes of a cluster, second by second: about 90 KB.</summary>
internal sealed class SampleRing
{
    public const int Capacity = 900;

    private readonly Lock _lock = new();
    private readonly Queue<Sample> _samples = new(Capacity);
    private long _retries, _ejections;

    public Sample? Latest { get; private set; }

    /// <summary>The oldest first.</summary>
    public IReadOnlyList<Sample> All
    {
        get
        {
            lock (_lock)
            {
                return [.. _samples];
            }
        }
    }

    public void Add(ClusterStatistics cluster, DateTime now, TimeSpan elapsed)
    {
        var interval = cluster.Attempts.Interval;
        var (retries, ejections) = (cluster.Retries, cluster.EjectionCount.Value);
        var sample = new Sample(
            now,
            interval.Rate,
            interval.ErrorRate,
            interval.Latency.Percentile(0.5),
            interval.Latency.Percentile(0.99),
            (retries - _retries) / elapsed.TotalSeconds,
            ejections - _ejections);
        (_retries, _ejections) = (retries, ejections);
        lock (_lock)
        {
            if (_samples.Count == Capacity)
            {
                _samples.Dequeue();
            }

            _samples.Enqueue(sample);
            Latest = sample;
        }
    }
}
