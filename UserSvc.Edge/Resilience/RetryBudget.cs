namespace UserSvc.Edge.Resilience;

/// <summary>
/// Bounds the load that retries add: a percentage of the requests of the last 10 s, plus some per second. Without it, an overloaded service
/// would get three times the requests when it can least bear them.
/// </summary>
internal sealed class RetryBudget(TimeProvider time)
{
    private const int Seconds = 10;

    // A ring of seconds. A slot belongs to the second it names; the first caller in a later second empties it.
    private readonly Slot[] _slots = [.. Enumerable.Range(0, Seconds).Select(_ => new Slot())];

    public void AddRequest() => Interlocked.Increment(ref Current().Requests);

    public bool TryTake(int percent, int perSecond)
    {
        var current = Current();
        var oldest = current.Second - Seconds;
        long requests = 0, retries = 0;
        foreach (var slot in _slots)
        {
            if (Volatile.Read(ref slot.Second) > oldest)
            {
                requests += Volatile.Read(ref slot.Requests);
                retries += Volatile.Read(ref slot.Retries);
            }
        }

        if (retries * 100 >= (requests * percent) + (Seconds * perSecond * 100L))
        {
            return false;
        }

        Interlocked.Increment(ref current.Retries);
        return true;
    }

    private Slot Current()
    {
        var second = time.GetTimestamp() / time.TimestampFrequency;
        var slot = _slots[second % Seconds];
        if (Volatile.Read(ref slot.Second) != second)
        {
            lock (slot)
            {
                if (slot.Second != second)
                {
                    slot.Requests = slot.Retries = 0;
                    Volatile.Write(ref slot.Second, second);
                }
            }
        }

        return slot;
    }

    private sealed class Slot
    {
        public long Second;
        public int Requests;
        public int Retries;
    }
}
