using System.Net;
using UserSvc.Edge.Statistics;

namespace UserSvc.Edge.Listeners;

/// <summary>
/// How many connections a listener takes: open at once in all and, at a public one, open at once and new from one address. IPv6 clients
/// count by their /64, the smallest network that a client gets. The tables hold only addresses with a connection that is open or, for 10 s, new.
/// </summary>
/// <param name="options">The limits.</param>
/// <param name="exempt">Addresses without limits of their own; null for a listener without such limits.</param>
/// <param name="time">The clock.</param>
internal sealed class ConnectionLimits(ConnectionOptions options, TrustedProxies? exempt, TimeProvider time)
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(10);

    private readonly bool _byAddress = exempt is not null && (options.AddressPercent > 0 || options.AddressPerSecond > 0);
    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, int> _open = [];
    private readonly Dictionary<ulong, int> _opened = [];
    private long _windowBegan = time.GetTimestamp();

    public int Max => options.Max;

    /// <returns>What the client's connections count by; null if only the limit of the whole listener holds for it.</returns>
    public ulong? KeyOf(EndPoint? client) => _byAddress && client is IPEndPoint { Address: var address } ? exempt!.ClientKey(address) : null;

    /// <param name="client">From <see cref="KeyOf"/>.</param>
    /// <param name="open">The listener's open connections.</param>
    /// <returns>Why the connection is refused; null if it counts until <see cref="Close"/>.</returns>
    public ConnectionRefusal? Open(ulong? client, long open)
    {
        var free = Max - open;
        if (free <= 0)
        {
            return ConnectionRefusal.ListenerFull;
        }

        if (client is not { } address)
        {
            return null;
        }

        lock (_lock)
        {
            if (time.GetElapsedTime(_windowBegan) >= Window)
            {
                _opened.Clear();
                _windowBegan = time.GetTimestamp();
            }

            var (mine, opened) = (_open.GetValueOrDefault(address), _opened.GetValueOrDefault(address));
            if (options.AddressPercent > 0 && mine * 100L >= free * options.AddressPercent)
            {
                return ConnectionRefusal.AddressFull;
            }

            if (options.AddressPerSecond > 0 && opened >= options.AddressPerSecond * Window.TotalSeconds)
            {
                return ConnectionRefusal.AddressTooFast;
            }

            _open[address] = mine + 1;
            _opened[address] = opened + 1;
            return null;
        }
    }

    public void Close(ulong? client)
    {
        if (client is { } address)
        {
            lock (_lock)
            {
                if (_open[address] is > 1 and var open)
                {
                    _open[address] = open - 1;
                }
                else
                {
                    _open.Remove(address);
                }
            }
        }
    }
}
