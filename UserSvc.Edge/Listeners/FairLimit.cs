namespace UserSvc.Edge.Listeners;

/// <summary>Why a client gets no more of what all share.</summary>
internal enum Shortage
{
    /// <summary>All of it is taken.</summary>
    Total,

    /// <summary>The client holds its share.</summary>
    Client,
}

/// <summary>
/// A limit that clients share: of connections, requests in flight, or bytes. The fuller it is, the less of the rest one client may hold: with
/// half of it free, half of that; with a tenth free, a tenth of that. So clients that keep all they get still leave something to the next,
/// even if they come one after the other.
/// </summary>
internal sealed class FairLimit
{
    private readonly Lock _lock = new();
    // Only clients that hold something: requests of the same clients over and over allocate nothing.
    private readonly Dictionary<ulong, long> _held = [];
    private long _taken;

    public long Taken => Volatile.Read(ref _taken);

    /// <param name="client">From <see cref="TrustedProxies.ShareKey"/>; null for one that may take all.</param>
    /// <param name="amount">At least 1.</param>
    /// <param name="max">The limit, as it is now.</param>
    /// <returns>Null if it was taken, and is to be returned.</returns>
    public Shortage? Take(ulong? client, long amount, long max)
    {
        lock (_lock)
        {
            var free = max - _taken;
            if (amount > free)
            {
                return Shortage.Total;
            }

            if (client is { } key)
            {
                var held = _held.GetValueOrDefault(key);
                if (held >= free * ((double)free / max))
                {
                    return Shortage.Client;
                }

                _held[key] = held + amount;
            }

            _taken += amount;
            return null;
        }
    }

    public void Return(ulong? client, long amount)
    {
        lock (_lock)
        {
            _taken -= amount;
            if (client is not { } key)
            {
                return;
            }

            if (_held.GetValueOrDefault(key) - amount is > 0 and var held)
            {
                _held[key] = held;
            }
            else
            {
                _held.Remove(key);
            }
        }
    }
}
