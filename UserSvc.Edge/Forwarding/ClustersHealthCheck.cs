using Microsoft.Extensions.Diagnostics.HealthChecks;
using UserSvc.Edge.Discovery;
using UserSvc.Edge.Resilience;
using Yarp.ReverseProxy.Health;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Ready once every discovery source has answered and every cluster has had a healthy destination. If all are lost later, requests get
/// 503 but the edge stays ready: every edge would lose them at once, and a load balancer without edges cannot answer at all.
/// </summary>
internal sealed class ClustersHealthCheck(ClusterStatuses clusters, IActiveHealthCheckMonitor probes, DiscoverySources sources) : IHealthCheck
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

        // The first round of probes may end before anything is discovered: an unprobed destination does not count.
        var down = clusters.GetAll().Where(c => !c.Destinations.Any(d => d is { Receives: true, FailsProbes: false, IsPending: false })).Select(c => c.Name).ToList();
        _routed = down.Count == 0;
        return _routed ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy($"no healthy destination in {string.Join(", ", down)}");
    }
}
