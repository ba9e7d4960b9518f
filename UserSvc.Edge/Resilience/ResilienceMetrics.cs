using System.Diagnostics.Metrics;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// What the edge hides from its clients, with Envoy's name of each, for whoever listens to the meter. The request path counts in the
/// records; here they are only read.
/// </summary>
internal sealed class ResilienceMetrics(IMeterFactory meters, IProxyStateLookup proxy, ResilienceState state) : IHostedService
{
    private static readonly (RetryReason Reason, string Name)[] Reasons =
    [
        (RetryReason.ConnectFailure, "connect_failure"),
        (RetryReason.Reset, "reset"),
        (RetryReason.TryTimeout, "try_timeout"),
        (RetryReason.GatewayError, "gateway_error"),
    ];

    public Task StartAsync(CancellationToken cancellationToken)
    {
        var meter = meters.Create("UserSvc.Edge");
        meter.CreateObservableCounter("edge.retries", Retries, "{retry}", "Tries after the first (upstream_rq_retry)");
        meter.CreateObservableCounter("edge.retry.successes", () => Each(r => r.RetrySuccesses), "{request}", "Requests that a later try answered (upstream_rq_retry_success)");
        meter.CreateObservableCounter("edge.retry.overflows", () => Each(r => r.RetryOverflows), "{request}", "Retries that the budget refused (upstream_rq_retry_overflow)");
        meter.CreateObservableCounter("edge.circuit_breaker.overflows", Overflows, "{request}", "Requests refused for those in flight (upstream_rq_pending_overflow)");
        // Not by destination: pods come and go, and each would be a series for as long as the process lives. The log names it.
        meter.CreateObservableCounter("edge.ejections", () => Each(r => r.Ejections), "{ejection}", "Destinations ejected for failed requests (ejections_enforced_total)");
        meter.CreateObservableGauge("edge.ejected", () => Each(ClusterHealth.Ejected), "{destination}", "Destinations that are ejected now (ejections_active)");
        meter.CreateObservableGauge("edge.healthy", () => Each(ClusterHealth.Healthy), "{destination}", "Destinations that requests go to (membership_healthy)");
        meter.CreateObservableGauge("edge.panic", () => Each(c => ClusterHealth.Panics(c) ? 1 : 0), "1", "1 while requests go to unhealthy destinations too (lb_healthy_panic)");
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private IEnumerable<Measurement<long>> Retries() =>
        from cluster in proxy.GetClusters()
        from reason in Reasons
        select new Measurement<long>(state.Of(cluster).Retries(reason.Reason), Tag(cluster), new("reason", reason.Name));

    private IEnumerable<Measurement<long>> Overflows() =>
        from cluster in proxy.GetClusters()
        let record = state.Of(cluster)
        from limit in new[] { ("cluster", record.ClusterOverflows), ("destination", record.DestinationOverflows) }
        select new Measurement<long>(limit.Item2, Tag(cluster), new("limit", limit.Item1));

    private IEnumerable<Measurement<long>> Each(Func<ClusterRecord, long> value) =>
        proxy.GetClusters().Select(c => new Measurement<long>(value(state.Of(c)), Tag(c)));

    private IEnumerable<Measurement<int>> Each(Func<ClusterState, int> value) =>
        proxy.GetClusters().Select(c => new Measurement<int>(value(c), Tag(c)));

    private static KeyValuePair<string, object?> Tag(ClusterState cluster) => new("cluster", cluster.ClusterId);
}

/// <summary>A cluster's destinations as they are now.</summary>
internal static class ClusterHealth
{
    public static int Ejected(ClusterState cluster) => cluster.DestinationsState.AllDestinations.Count(d => d.Health.Passive is DestinationHealth.Unhealthy);

    /// <summary>Those that requests go to, less the unhealthy ones of a panic.</summary>
    public static int Healthy(ClusterState cluster) => cluster.DestinationsState.AvailableDestinations.Count(d => !PanicThreshold.IsUnhealthy(d));

    /// <summary>Whether its destinations are probed; until then the health of those that are is unknown.</summary>
    public static bool IsProbed(this ClusterState cluster) => cluster.Model.Config.HealthCheck?.Active?.Enabled == true;

    /// <summary>Whether requests go to unhealthy destinations too.</summary>
    public static bool Panics(ClusterState cluster) => cluster.DestinationsState.AvailableDestinations.Any(PanicThreshold.IsUnhealthy);
}
