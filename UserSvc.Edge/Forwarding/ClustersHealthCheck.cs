using Microsoft.Extensions.Diagnostics.HealthChecks;
using UserSvc.Edge.Discovery;
using UserSvc.Edge.Resilience;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Ready once every discovery source has answered and every cluster has had a healthy destination. If all are lost later, requests get
/// 503 but the edge stays ready: every edge would lose them at once, and a load balancer without edges cannot answer at all.
/// </summary>
internal sealed class ClustersHealthCheck(IProxyStateLookup proxy, IActiveHealthCheckMonitor probes, DiscoverySources sources) : IHealthCheck
{
    private volatile bool _routed;

    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(Check());

    private HealthCheckResult Check()
    {
        if (_routed)
        {
            return HealthCheckResult.Healthy();
        }

        var unknown = sources.All.Where(s => s.Endpoints is null).Select(s => s.Address).ToList();
        if (unknown.Count > 0)
        {
            return HealthCheckResult.Unhealthy($"not discovered yet: {string.Join(", ", unknown)}");
        }

        if (!probes.InitialProbeCompleted)
        {
            return HealthCheckResult.Unhealthy("destinations are being probed");
        }

        var down = proxy.GetClusters().Where(c => !c.DestinationsState.AvailableDestinations.Any(d => IsFit(c, d))).Select(c => c.ClusterId).ToList();
        _routed = down.Count == 0;
        return _routed ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy($"no healthy destination in {string.Join(", ", down)}");
    }

    // The first round of probes may end before anything is discovered: an unprobed destination does not count.
    private static bool IsFit(ClusterState cluster, DestinationState destination) =>
        destination.Health.Active is DestinationHealth.Healthy || !cluster.IsProbed();
}
