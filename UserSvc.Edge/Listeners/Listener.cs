using UserSvc.Edge.Statistics;

namespace UserSvc.Edge.Listeners;

/// <summary>What a listener is for, and so which endpoints it serves.</summary>
internal enum Listener
{
    /// <summary>Clients' traffic: every Kestrel endpoint that is not named below.</summary>
    Public,

    /// <summary>The Kestrel endpoint <c>Health</c>: kubelet, collectors and other proxies.</summary>
    Health,

    /// <summary>The Kestrel endpoint <c>Admin</c>: whoever operates this edge.</summary>
    Admin,
}

/// <summary>
/// Stands among a connection's features, where requests find it too. It is the connection's own mark because a Host header can be
/// forged and a port may be dynamic.
/// </summary>
internal sealed class ListenerFeature(string name, Listener listener)
{
    /// <summary>The Kestrel endpoint's.</summary>
    public string Name => name;

    public Listener Listener => listener;

    public ListenerStatistics Statistics { get; } = new();

    /// <summary>Clients are asked to close their connections.</summary>
    public volatile bool Draining;
}

/// <summary>Endpoint metadata: the listeners that serve the endpoint. An endpoint without it is served by all.</summary>
internal sealed record ServedOn(params IReadOnlyList<Listener> Listeners);
