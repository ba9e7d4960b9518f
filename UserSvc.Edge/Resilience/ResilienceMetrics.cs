using System.Diagnostics.Metrics;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>The counters of what the edge hides from its clients, with Envoy's name of each.</summary>
internal sealed class ResilienceMetrics
{
    private readonly Counter<long> _retries;
    private readonly Counter<long> _retrySuccesses;
    private readonly Counter<long> _retryOverflows;
    private readonly Counter<long> _overflows;
    private readonly Counter<long> _ejections;

    public ResilienceMetrics(IMeterFactory meters, IServiceProvider services)
    {
        var meter = meters.Create("UserSvc.Edge");
        _retries = meter.CreateCounter<long>("edge.retries", "{retry}", "Tries after the first (upstream_rq_retry)");
        _retrySuccesses = meter.CreateCounter<long>("edge.retry.successes", "{request}", "Requests that a later try answered (upstream_rq_retry_success)");
        _retryOverflows = meter.CreateCounter<long>("edge.retry.overflows", "{request}", "Retries that the budget refused (upstream_rq_retry_overflow)");
        _overflows = meter.CreateCounter<long>("edge.circuit_breaker.overflows", "{request}", "Requests refused for those in flight (upstream_rq_pending_overflow)");
        _ejections = meter.CreateCounter<long>("edge.ejections", "{ejection}", "Destinations ejected for failed requests (ejections_enforced_total)");
        // YARP's state needs the health policies, and they need these counters.
        var proxy = new Lazy<IProxyStateLookup>(services.GetRequiredService<IProxyStateLookup>);
        meter.CreateObservableGauge("edge.ejected", () => Each(proxy.Value, Ejected), "{destination}", "Destinations that are ejected now (ejections_active)");
        meter.CreateObservableGauge("edge.healthy", () => Each(proxy.Value, Healthy), "{destination}", "Destinations that requests go to (membership_healthy)");
        meter.CreateObservableGauge("edge.panic", () => Each(proxy.Value, Panics), "1", "1 while requests go to unhealthy destinations too (lb_healthy_panic)");
    }

    public void Retried(string cluster, RetryReason reason) => _retries.Add(1, Tag(cluster), new("reason", reason switch
    {
        RetryReason.ConnectFailure => "connect_failure",
        RetryReason.Reset => "reset",
        RetryReason.TryTimeout => "try_timeout",
        _ => "gateway_error",
    }));

    public void RetrySucceeded(string cluster) => _retrySuccesses.Add(1, Tag(cluster));

    public void RetryOverBudget(string cluster) => _retryOverflows.Add(1, Tag(cluster));

    /// <param name="cluster">The cluster's id.</param>
    /// <param name="limit"><c>cluster</c> or <c>destination</c>.</param>
    public void Overflowed(string cluster, string limit) => _overflows.Add(1, Tag(cluster), new("limit", limit));

    // Not by destination: pods come and go, and each would be a series for as long as the process lives. The log names it.
    public void Ejected(string cluster) => _ejections.Add(1, Tag(cluster));

    private static int Ejected(ClusterState cluster) => cluster.DestinationsState.AllDestinations.Count(d => d.Health.Passive is DestinationHealth.Unhealthy);

    private static int Healthy(ClusterState cluster) => cluster.DestinationsState.AvailableDestinations.Count(d => !PanicThreshold.IsUnhealthy(d));

    private static int Panics(ClusterState cluster) => cluster.DestinationsState.AvailableDestinations.Any(PanicThreshold.IsUnhealthy) ? 1 : 0;

    private static IEnumerable<Measurement<int>> Each(IProxyStateLookup proxy, Func<ClusterState, int> value) =>
        proxy.GetClusters().Select(c => new Measurement<int>(value(c), Tag(c.ClusterId)));

    private static KeyValuePair<string, object?> Tag(string cluster) => new("cluster", cluster);
}
