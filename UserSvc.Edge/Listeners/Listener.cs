using Microsoft.AspNetCore.Routing.Matching;
using UserSvc.Edge.Statistics;

namespace UserSvc.Edge.Listeners;

/// <summary>What a listener is for, and therefore which endpoints it serves.</summary>
internal enum Listener
{
    /// <summary>Client traffic: every Kestrel endpoint without one of the names below.</summary>
    Public,

    /// <summary>The Kestrel endpoint <c>Health</c>: kubelet, collectors and other proxies.</summary>
    Health,

    /// <summary>The Kestrel endpoint <c>Admin</c>: the operators of this edge.</summary>
    Admin,
}

/// <summary>
/// A feature of every connection, visible to its requests: the listener that accepted it. A Host header can be forged and a port may be
/// dynamic; this cannot.
/// </summary>
internal sealed class ListenerFeature(string name, Listener listener, bool https, ConnectionLimits limits, ClientSockets sockets)
{
    /// <summary>The name of the Kestrel endpoint.</summary>
    public string Name => name;

    public Listener Listener => listener;

    public bool IsHttps => https;

    public ConnectionLimits Limits => limits;

    public ClientSockets Sockets => sockets;

    public ListenerStatistics Statistics { get; } = new();

    /// <summary>Whether it closes for good.</summary>
    public volatile bool Draining;

    /// <summary>Whether connections or memory are about to run out.</summary>
    public volatile bool Crowded;

    /// <summary>Whether memory has run out, so that new connections are refused.</summary>
    public volatile bool Overloaded;

    /// <summary>Whether it has stopped accepting connections by a fault.</summary>
    public volatile bool Failed;

    /// <summary>Whether clients are asked to close their connections.</summary>
    public bool AsksToClose => Draining || Crowded;

    /// <summary>Why it takes no connections; null while it does.</summary>
    public string? Closed => Failed ? "has stopped accepting connections"
        : Overloaded ? "refuses connections: memory is short"
        : sockets.AreUsedUp ? "refuses connections: sockets are short (ulimit -n)"
        : Statistics.OpenConnections >= limits.Max ? $"has {limits.Max} connections, its limit"
        : null;
}

/// <summary>Endpoint metadata: the listeners that serve the endpoint. Every listener serves an endpoint without it.</summary>
internal sealed record ServedOn(params IReadOnlyList<Listener> Listeners);

/// <summary>Routes by the listener a request came in on: an endpoint of another listener is a 404.</summary>
internal sealed class ListenerPolicy : MatcherPolicy, INodeBuilderPolicy
{
    // Before the policy for methods (-1000), which would answer 405 for an endpoint this listener does not serve.
    public override int Order => -2000;

    public bool AppliesToEndpoints(IReadOnlyList<Endpoint> endpoints) =>
        !ContainsDynamicEndpoints(endpoints) && endpoints.Any(e => e.Metadata.GetMetadata<ServedOn>() is not null);

    public IReadOnlyList<PolicyNodeEdge> GetEdges(IReadOnlyList<Endpoint> endpoints) =>
    [
        .. from listener in Enum.GetValues<Listener>()
           let served = endpoints.Where(e => e.Metadata.GetMetadata<ServedOn>()?.Listeners.Contains(listener) != false).ToList()
           where served.Count > 0
           select new PolicyNodeEdge(listener, served),
    ];

    public PolicyJumpTable BuildJumpTable(int exitDestination, IReadOnlyList<PolicyJumpTableEdge> edges)
    {
        var destinations = new int[Enum.GetValues<Listener>().Length];
        Array.Fill(destinations, exitDestination);
        foreach (var edge in edges)
        {
            destinations[(int)(Listener)edge.State] = edge.Destination;
        }

        return new JumpTable(destinations);
    }

    private sealed class JumpTable(int[] destinations) : PolicyJumpTable
    {
        public override int GetDestination(HttpContext httpContext) =>
            destinations[(int)httpContext.GetListener()];
    }
}
