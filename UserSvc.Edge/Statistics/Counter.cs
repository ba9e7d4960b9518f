namespace UserSvc.Edge.Statistics;

/// <summary>A number that many threads change and others read.</summary>
internal sealed class Counter
{
    private long _value;

    public long Value => Volatile.Read(ref _value);

    public long Increment() => Interlocked.Increment(ref _value);

    public long Add(long count) => Interlocked.Add(ref _value, count);

    public long Decrement() => Interlocked.Decrement(ref _value);

    public void Reset()
    {
        // Read first: cores that all write would fight over the cache line.
        if (Value != 0)
        {
            Volatile.Write(ref _value, 0);
        }
    }
}
