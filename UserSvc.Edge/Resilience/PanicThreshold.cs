using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Sends requests to healthy destinations and, when too few of all are healthy, to unhealthy ones too (Envoy's panic threshold). When that
/// many look unhealthy, suspect the checks or overload; sending everything to the rest would take them down too. A destination that itself
/// says that it takes no requests gets none and does not count.
/// </summary>
internal sealed class PanicThreshold(ResilienceState state) : IAvailableDestinationsPolicy
{
    public string Name => "PanicThreshold";

    public static bool IsUnhealthy(DestinationState destination) =>
        destination.Health.Active is DestinationHealth.Unhealthy || destination.Health.Passive is DestinationHealth.Unhealthy;

    // The misspelling is YARP's.
    public IReadOnlyList<DestinationState> GetAvailalableDestinations(ClusterConfig config, IReadOnlyList<DestinationState> allDestinations)
    {
        var inService = allDestinations.Where(d => !state.Get(d).OutOfService).ToList();
        var healthy = inService.Where(d => !IsUnhealthy(d)).ToList();
        return healthy.Count * 100 < inService.Count * ClusterSettings.Read(config.Metadata).PanicThreshold ? inService : healthy;
    }
}
