namespace UserSvc.Edge.Listeners;

/// <summary>What a listener is for, and so which endpoints it serves.</summary>
internal enum Listener
{
    /// <summary>Clients' traffic: every Kestrel endpoint that is not named below.</summary>
    Public,

    /// <summary>The Kestrel endpoint <c>Health</c>: kubelet, collectors and other proxies.</summary>
    Health,
}

/// <summary>
/// Stands among a connection's features, where requests find it too. It is the connection's own mark because a Host header can be
/// forged and a port may be dynamic.
/// </summary>
internal sealed record ListenerFeature(Listener Listener);

/// <summary>Endpoint metadata: the one listener that serves the endpoint. An endpoint without it is served by all.</summary>
internal sealed record ServedOn(Listener Listener);
