using Microsoft.AspNetCore.Routing.Matching;

namespace UserSvc.Edge.Listeners;

/// <summary>Routes by the listener that the request came in on, so that what another one serves is a 404 here.</summary>
internal sealed class ListenerPolicy : MatcherPolicy, INodeBuilderPolicy
{
    // Before the policy for methods (-1000), which would answer 405 for an endpoint that this listener does not have.
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
