namespace UserSvc.Edge.AccessLog;

/// <param name="Requests">Which requests the log takes: with <see cref="LoggedRequests.None"/>, no failures are known.</param>
/// <param name="TraceUrl">Where traces are, with <c>{trace_id}</c>; null if that is not configured.</param>
/// <param name="Failures">The newest first.</param>
internal sealed record FailureList(LoggedRequests Requests, string? TraceUrl, IReadOnlyList<AccessLine> Failures);

/// <summary>The last failures that got a line in the access log. A flood costs nothing here: what the log leaves out is not kept either.</summary>
internal sealed class RecentFailures
{
    private const int Capacity = 50;

    private readonly Lock _lock = new();
    private readonly Queue<AccessLine> _lines = new(Capacity);
    private long _total;

    /// <summary>Since the start; changes with each failure.</summary>
    public long Total => Volatile.Read(ref _total);

    /// <summary>The newest first.</summary>
    public IReadOnlyList<AccessLine> Lines
    {
        get
        {
            lock (_lock)
            {
                return [.. _lines.Reverse()];
            }
        }
    }

    public void Add(AccessLine line)
    {
        lock (_lock)
        {
            if (_lines.Count == Capacity)
            {
                _lines.Dequeue();
            }

            _lines.Enqueue(line);
            _total++;
        }
    }
}
