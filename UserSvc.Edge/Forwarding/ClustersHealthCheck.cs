using Microsoft.Extensions.Diagnostics.HealthChecks;
using UserSvc.Edge.Discovery;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Health;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Ready once every source has answered, the first round of probes has ended and every cluster has had a destination to route to. Losing them all later is 503
/// on requests, not unreadiness: every edge would see the same, and a load balancer without edges has no answer at all.
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

        var down = proxy.GetClusters().Where(c => c.DestinationsState.AvailableDestinations.Count == 0).Select(c => c.ClusterId).ToList();
        _routed = down.Count == 0;
        return _routed ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy($"no healthy destination in {string.Join(", ", down)}");
    }
}
