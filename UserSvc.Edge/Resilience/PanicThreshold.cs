using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Requests go to healthy destinations, and with too small a share of those to the others too (Envoy's panic threshold): that so many
/// failed is likelier the fault of the judgement or of overload, and the few left would be next. Destinations that say themselves that
/// they take no requests are left out of both, for that is no judgement.
/// </summary>
internal sealed class PanicThreshold(ResilienceState state) : IAvailableDestinationsPolicy
{
    public string Name => "PanicThreshold";

    public static bool IsUnhealthy(DestinationState destination) =>
        destination.Health.Active is DestinationHealth.Unhealthy || destination.Health.Passive is DestinationHealth.Unhealthy;

    // The name is YARP's.
    public IReadOnlyList<DestinationState> GetAvailalableDestinations(ClusterConfig config, IReadOnlyList<DestinationState> allDestinations)
    {
        var inService = allDestinations.Where(d => !state.Of(d).OutOfService).ToList();
        var healthy = inService.Where(d => !IsUnhealthy(d)).ToList();
        return healthy.Count * 100 < inService.Count * ClusterSettings.Read(config.Metadata).PanicThreshold ? inService : healthy;
    }
}
