using System.Net;
using UserSvc.Edge.Statistics;

namespace UserSvc.Edge.Listeners;

/// <summary>How many connections a listener takes: open at once, in their TLS handshake and, at a public one, new from one address.</summary>
/// <param name="options">The limits.</param>
/// <param name="proxies">Who is exempt; null for a listener without limits by address.</param>
/// <param name="time">The clock.</param>
internal sealed class ConnectionLimits(ConnectionOptions options, TrustedProxies? proxies, TimeProvider time)
{
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(10);

    private readonly FairLimit _open = new();
    private readonly FairLimit _handshakes = new();
    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, int> _new = [];
    private long _windowBegan = time.GetTimestamp();

    public int Max => options.Max;

    /// <returns>Why the connection is refused; null if it counts until <see cref="Close"/>.</returns>
    public ConnectionRefusal? Open(IPAddress? client) =>
        options.AddressPerSecond > 0 && proxies?.ClientKey(client) is { } key && IsTooFast(key) ? ConnectionRefusal.AddressTooFast
        : _open.Take(proxies?.ShareKey(client), 1, Max) switch
        {
            Shortage.Total => ConnectionRefusal.ListenerFull,
            Shortage.Client => ConnectionRefusal.AddressFull,
            _ => null,
        };

    public void Close(IPAddress? client) => _open.Return(proxies?.ShareKey(client), 1);

    public bool BeginHandshake(IPAddress? client) => _handshakes.Take(proxies?.ShareKey(client), 1, options.MaxHandshakes) is null;

    public void EndHandshake(IPAddress? client) => _handshakes.Return(proxies?.ShareKey(client), 1);

    /// <returns>Whether this many resets are too many, and the first to be so. A proxy passes on the resets of many clients.</returns>
    public bool IsOneTooMany(int resets, IPAddress? client) =>
        options.MaxResets > 0 && resets == options.MaxResets + 1 && proxies?.ClientKey(client) is not null;

    private bool IsTooFast(ulong client)
    {
        lock (_lock)
        {
            if (time.GetElapsedTime(_windowBegan) >= Window)
            {
                _new.Clear();
                _windowBegan = time.GetTimestamp();
            }

            return (_new[client] = _new.GetValueOrDefault(client) + 1) > options.AddressPerSecond * Window.TotalSeconds;
        }
    }
}
