namespace UserSvc.Edge.Statistics;

/// <summary>Answers by the first digit of their status, 1 to 5.</summary>
internal sealed class StatusClasses
{
    private readonly long[] _counts = new long[6];

    public long this[int first] => Volatile.Read(ref _counts[first]);

    /// <summary>All of them.</summary>
    public long Total => this[1] + this[2] + this[3] + this[4] + this[5];

    public void Add(int status)
    {
        if (status is >= 100 and < 600)
        {
            Interlocked.Increment(ref _counts[status / 100]);
        }
    }
}
