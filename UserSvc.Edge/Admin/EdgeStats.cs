using UserSvc.Edge.Discovery;
using UserSvc.Edge.Listeners;
using UserSvc.Edge.Resilience;
using UserSvc.Edge.Statistics;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Admin;

/// <summary>Every figure of the edge, read where it is counted.</summary>
internal sealed class EdgeStats(IProxyStateLookup proxy, ResilienceState state, OpenListeners listeners, DiscoverySources sources, ServerState server)
{
    public async Task<List<Stat>> CollectAsync(CancellationToken cancellationToken)
    {
        var stats = new List<Stat>();
        foreach (var cluster in proxy.GetClusters())
        {
            AddCluster(stats, cluster);
        }

        foreach (var listener in listeners.All)
        {
            AddListener(stats, listener);
        }

        foreach (var source in sources.All)
        {
            // Envoy has no such thing: it is not Envoy's name either.
            var scope = new StatScope(stats, $"discovery.{source.Address}", "edge_discovery", ("source", source.Address));
            scope.Gauge("age_seconds", "Time since the source last answered; 0 while it is watched", source.Age.TotalSeconds);
            scope.Gauge("endpoints", "Endpoints that the source last knew", source.Endpoints?.Count ?? 0);
            scope.Gauge("failing", "1 while the source fails", source.Failing ? 1 : 0);
        }

        var (status, whole) = (await server.ReadAsync(cancellationToken), new StatScope(stats, "server", "envoy_server"));
        whole.Gauge("live", "1 unless the edge drains", status.State == "DRAINING" ? 0 : 1);
        whole.Gauge("state", "0 LIVE, 1 DRAINING, 2 PRE_INITIALIZING", status.Number);
        whole.Gauge("uptime", "Seconds since the start", Math.Floor(server.Uptime.TotalSeconds));
        whole.Gauge("total_connections", "Open client connections of all listeners", listeners.All.Sum(l => l.Statistics.OpenConnections));
        return stats;
    }

    private void AddCluster(List<Stat> stats, ClusterState cluster)
    {
        var (record, destinations) = (state.Get(cluster), cluster.DestinationsState.AllDestinations);
        var (attempts, settings) = (record.Statistics.Attempts, record.GetSettings(cluster.Model));
        var label = ("envoy_cluster_name", cluster.ClusterId);
        var scope = new StatScope(stats, $"cluster.{cluster.ClusterId}", "envoy_cluster", label);
        scope.Counter("upstream_rq_total", "Tries sent to destinations", attempts.Total);
        scope.Counter("upstream_rq_completed", "Tries that were answered", attempts.Answers.Total);
        scope.Classes("upstream_rq", "Answers of destinations by class", attempts.Answers);
        scope.Counter("upstream_rq_error", "Tries that failed by the destination's fault", attempts.Errors);
        scope.Counter("upstream_rq_timeout", "Tries that were not answered in time", attempts.Timeouts);
        scope.Counter("upstream_rq_rx_reset", "Tries whose connection broke before the answer", attempts.Resets);
        scope.Counter("upstream_cx_connect_fail", "Tries for which there was no connection", attempts.ConnectFailures);
        scope.Counter("upstream_rq_retry", "Tries after the first", record.Statistics.Retries);
        scope.Counter("upstream_rq_retry_success", "Requests that a later try answered", record.Statistics.RetrySuccesses.Value);
        scope.Counter("upstream_rq_retry_overflow", "Retries that the budget refused", record.Statistics.RetryOverflows.Value);
        scope.Counter("upstream_rq_pending_overflow", "Requests refused for those in flight", record.Statistics.Refused);
        scope.Gauge("upstream_rq_active", "Tries in flight", destinations.Sum(d => (double)d.ConcurrentRequestCount));
        scope.Histogram("upstream_rq_time", "Time of a try until the end of its answer, in milliseconds", attempts.Latency, attempts.Interval.Latency);
        scope.Gauge("membership_total", "Destinations", destinations.Count);
        scope.Gauge("membership_healthy", "Destinations that requests go to, less the unhealthy ones of a panic", ClusterHealth.Healthy(cluster));
        scope.Gauge("lb_healthy_panic", "1 while requests go to unhealthy destinations too", ClusterHealth.Panics(cluster) ? 1 : 0);
        scope.Counter("outlier_detection.ejections_enforced_total", "Ejections", record.Statistics.Ejections.Value);
        scope.Gauge("outlier_detection.ejections_active", "Destinations that are ejected now", ClusterHealth.Ejected(cluster));
        scope.Gauge("circuit_breakers.default.rq_open", "1 while as many requests are in flight as may be", record.InFlight.Value >= settings.MaxRequests ? 1 : 0);
        scope.Gauge("circuit_breakers.default.remaining_rq", "Requests that may yet be in flight", Math.Max(0, settings.MaxRequests - record.InFlight.Value));
        foreach (var destination in destinations)
        {
            AddDestination(stats, cluster, destination, label);
        }
    }

    private void AddDestination(List<Stat> stats, ClusterState cluster, DestinationState destination, (string, string) label)
    {
        var (record, address) = (state.Get(destination), destination.Address());
        // Two may be configured with one address: the destination's own name tells their series apart.
        var scope = new StatScope(
            stats,
            $"cluster.{cluster.ClusterId}.endpoint.{address.Replace(':', '_')}",
            "envoy_cluster_endpoint",
            label,
            ("envoy_endpoint_address", address),
            ("destination", destination.DestinationId));
        scope.Counter("rq_total", "Tries sent to the destination", record.Attempts.Total);
        scope.Counter("rq_success", "Answers below 500", record.Attempts.Succeeded());
        scope.Counter("rq_error", "Tries that failed by the destination's fault", record.Attempts.Errors);
        scope.Counter("rq_timeout", "Tries that were not answered in time", record.Attempts.Timeouts);
        scope.Counter("rq_rx_reset", "Tries whose connection broke before the answer", record.Attempts.Resets);
        scope.Counter("cx_connect_fail", "Tries for which there was no connection", record.Attempts.ConnectFailures);
        scope.Counter("ejections", "Ejections", record.EjectionHistory.Total.Value);
        scope.Gauge("rq_active", "Tries in flight", destination.ConcurrentRequestCount);
        scope.Gauge("healthy", "1 unless a probe or failed requests say otherwise", PanicThreshold.IsUnhealthy(destination) ? 0 : 1);
        scope.Histogram("rq_time", "Time of a try until the end of its answer, in milliseconds", record.Attempts.Latency, record.Attempts.Interval.Latency);
    }

    private static void AddListener(List<Stat> stats, ListenerFeature listener)
    {
        var (seen, name) = (listener.Statistics, listener.Name.ToLowerInvariant());
        var scope = new StatScope(stats, $"http.{name}", "envoy_http", ("envoy_http_conn_manager_prefix", name));
        scope.Counter("downstream_cx_total", "Client connections", seen.Connections);
        scope.Gauge("downstream_cx_active", "Open client connections", seen.OpenConnections);
        scope.Counter("downstream_rq_total", "Requests", seen.Requests);
        scope.Gauge("downstream_rq_active", "Requests in flight", seen.Active);
        scope.Counter("downstream_rq_completed", "Requests that were answered", seen.Answers.Total);
        scope.Classes("downstream_rq", "Answers to clients by class", seen.Answers);
        scope.Histogram("downstream_rq_time", "Time of a request until the end of its answer, in milliseconds", seen.Latency, HistogramSnapshot.Empty);
    }
}

internal static class EndpointAddress
{
    /// <summary>Host and port, as <c>10.0.0.1:8080</c>.</summary>
    public static string Address(this DestinationState destination)
    {
        var address = new Uri(destination.Model.Config.Address);
        return $"{address.Host}:{address.Port}";
    }

    public static long Succeeded(this AttemptStatistics attempts) => attempts.Answers.Total - attempts.Answers[5];
}
