using System.Diagnostics.Metrics;
using UserSvc.Edge.Statistics;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// What the edge hides from its clients, as observable instruments, each with Envoy's name. They read what the request path counts.
/// </summary>
internal sealed class ResilienceMetrics(IMeterFactory meters, IProxyStateLookup proxy, ResilienceState state) : IHostedService
{
    private static readonly (AttemptOutcome Reason, string Name)[] Reasons =
    [
        (AttemptOutcome.ConnectFailure, "connect_failure"),
        (AttemptOutcome.Reset, "reset"),
        (AttemptOutcome.TimedOut, "try_timeout"),
        (AttemptOutcome.GatewayError, "gateway_error"),
    ];

    public Task StartAsync(CancellationToken cancellationToken)
    {
        var meter = meters.Create("UserSvc.Edge");
        meter.CreateObservableCounter("edge.retries", Retries, "{retry}", "Attempts after the first (upstream_rq_retry)");
        meter.CreateObservableCounter("edge.retry.successes", () => Each(s => s.RetrySuccesses.Value), "{request}", "Requests that a later attempt answered (upstream_rq_retry_success)");
        meter.CreateObservableCounter("edge.retry.overflows", () => Each(s => s.RetryOverflows.Value), "{request}", "Retries that the budget refused (upstream_rq_retry_overflow)");
        meter.CreateObservableCounter("edge.circuit_breaker.overflows", Overflows, "{request}", "Requests refused at a limit of requests in flight (upstream_rq_pending_overflow)");
        // Not by destination: pods come and go, and each series lives as long as the process. The log names the destination.
        meter.CreateObservableCounter("edge.ejections", () => Each(s => s.Ejections.Value), "{ejection}", "Destinations ejected for failed requests (ejections_enforced_total)");
        meter.CreateObservableGauge("edge.ejected", () => Each(ClusterHealth.Ejected), "{destination}", "Destinations that are ejected now (ejections_active)");
        meter.CreateObservableGauge("edge.healthy", () => Each(ClusterHealth.Healthy), "{destination}", "Destinations that requests go to (membership_healthy)");
        meter.CreateObservableGauge("edge.panic", () => Each(c => ClusterHealth.Panics(c) ? 1 : 0), "1", "1 while requests go to unhealthy destinations too (lb_healthy_panic)");
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private IEnumerable<Measurement<long>> Retries() =>
        from cluster in proxy.GetClusters()
        from reason in Reasons
        select new Measurement<long>(state.Get(cluster).Statistics.RetriesAfter(reason.Reason).Value, Tag(cluster), new("reason", reason.Name));

    private IEnumerable<Measurement<long>> Overflows() =>
        from cluster in proxy.GetClusters()
        let statistics = state.Get(cluster).Statistics
        from limit in new[] { ("cluster", statistics.ClusterOverflows.Value), ("destination", statistics.DestinationOverflows.Value) }
        select new Measurement<long>(limit.Item2, Tag(cluster), new("limit", limit.Item1));

    private IEnumerable<Measurement<long>> Each(Func<ClusterStatistics, long> value) =>
        proxy.GetClusters().Select(c => new Measurement<long>(value(state.Get(c).Statistics), Tag(c)));

    private IEnumerable<Measurement<int>> Each(Func<ClusterState, int> value) =>
        proxy.GetClusters().Select(c => new Measurement<int>(value(c), Tag(c)));

    private static KeyValuePair<string, object?> Tag(ClusterState cluster) => new("cluster", cluster.ClusterId);
}

/// <summary>A cluster's destinations, counted by their present health.</summary>
internal static class ClusterHealth
{
    public static int Ejected(ClusterState cluster) => cluster.DestinationsState.AllDestinations.Count(d => d.Health.Passive is DestinationHealth.Unhealthy);

    /// <summary>Destinations that get requests, without the unhealthy ones of a panic.</summary>
    public static int Healthy(ClusterState cluster) => cluster.DestinationsState.AvailableDestinations.Count(d => !PanicThreshold.IsUnhealthy(d));

    /// <summary>Whether the edge probes its destinations. If so, a destination's health is unknown until its first probe.</summary>
    public static bool IsProbed(this ClusterState cluster) => cluster.Model.Config.HealthCheck?.Active?.Enabled == true;

    /// <summary>Whether requests go to unhealthy destinations too.</summary>
    public static bool Panics(ClusterState cluster) => cluster.DestinationsState.AvailableDestinations.Any(PanicThreshold.IsUnhealthy);
}
