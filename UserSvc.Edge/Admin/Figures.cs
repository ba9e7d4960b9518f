using UserSvc.Edge.AccessLog;
using UserSvc.Edge.Discovery;
using UserSvc.Edge.Limits;
using UserSvc.Edge.Listeners;
using UserSvc.Edge.Resilience;
using UserSvc.Edge.Statistics;

namespace UserSvc.Edge.Admin;

/// <summary>Every figure of the edge, defined once. <c>/stats</c>, Prometheus, OpenTelemetry, <c>/clusters</c> and the page all read these tables.</summary>
internal static class Figures
{
    private const StatKind Counter = StatKind.Counter;
    private const StatKind Gauge = StatKind.Gauge;
    private const StatKind Histogram = StatKind.Histogram;

    public static readonly FigureTable<ClusterStatus> Clusters = new(c => $"cluster.{c.Name}", "envoy_cluster", c => [("envoy_cluster_name", c.Name)],
    [
        new(Counter, "upstream_rq_total", "Attempts sent to destinations", c => c.Attempts.Total) { Page = "requests" },
        new(Counter, "upstream_rq_completed", "Attempts that were answered", c => c.Attempts.Answers.Total),
        .. ByClass<ClusterStatus>("upstream_rq", "Answers of destinations by class", c => c.Attempts.Answers),
        new(Counter, "upstream_rq_error", "Attempts that the destination failed", c => c.Attempts.Errors) { Page = "errors" },
        new(Counter, "upstream_rq_timeout", "Attempts that were not answered in time", c => c.Attempts.Timeouts),
        new(Counter, "upstream_rq_rx_reset", "Attempts whose connection broke before the answer", c => c.Attempts.Resets),
        new(Counter, "upstream_cx_connect_fail", "Attempts that got no connection", c => c.Attempts.ConnectFailures),
        new(Counter, "upstream_rq_retry", "Attempts after the first", c => c.Statistics.Retries),
        RetriesAfter(AttemptOutcome.ConnectFailure, "connect_failure"),
        RetriesAfter(AttemptOutcome.Reset, "reset"),
        RetriesAfter(AttemptOutcome.TimedOut, "try_timeout"),
        RetriesAfter(AttemptOutcome.GatewayError, "gateway_error"),
        new(Counter, "upstream_rq_retry_success", "Requests that a later attempt answered", c => c.Statistics.RetrySuccesses.Value)
            { Instrument = ("edge.retry.successes", "{request}") },
        new(Counter, "upstream_rq_retry_overflow", "Retries that the budget refused", c => c.Statistics.RetryOverflows.Value)
            { Instrument = ("edge.retry.overflows", "{request}"), Page = "refused.retry_budget" },
        new(Counter, "outlier_detection.ejections_enforced_total", "Ejections of destinations", c => c.Statistics.EjectionCount.Value)
            { Instrument = ("edge.ejections", "{ejection}"), Page = "ejections" },
        new(Gauge, "outlier_detection.ejections_active", "Destinations that are ejected now", c => c.Ejected) { Instrument = ("edge.ejected", "{destination}") },
        new(Counter, "upstream_rq_pending_overflow", "Requests refused because too many were in flight", c => c.Statistics.Refused),
        Overflows("cluster", c => c.Statistics.ClusterOverflows.Value),
        Overflows("client", c => c.Statistics.ClientOverflows.Value),
        Overflows("destination", c => c.Statistics.DestinationOverflows.Value),
        new(Gauge, "upstream_rq_active", "Attempts in flight", c => c.Destinations.Sum(d => (double)d.InFlight)),
        new(Histogram, "upstream_rq_time", "Time of an attempt until the end of its answer, in milliseconds")
            { Latency = c => c.Attempts.Latency, Interval = c => c.Attempts.Interval.Latency },
        new(Gauge, "membership_healthy", "Healthy destinations that receive requests", c => c.Healthy)
            { Instrument = ("edge.healthy", "{destination}"), Page = "healthy" },
        new(Gauge, "membership_total", "Destinations", c => c.Destinations.Count) { Page = "total" },
        new(Gauge, "lb_healthy_panic", "1 while unhealthy destinations receive requests, too", c => c.Panics ? 1 : 0) { Instrument = ("edge.panic", "1") },
        new(Gauge, "circuit_breakers.default.rq_open", "1 while the limit of requests in flight is reached", c => c.InFlight >= c.MaxRequests ? 1 : 0),
        new(Gauge, "circuit_breakers.default.remaining_rq", "Requests in flight left until the limit", c => Math.Max(0, c.MaxRequests - c.InFlight)),
    ]);

    // Two destinations can have one address: the label destination tells them apart.
    public static readonly FigureTable<DestinationStatus> Destinations = new(
        d => $"cluster.{d.Cluster}.endpoint.{d.Authority.Replace(':', '_')}",
        "envoy_cluster_endpoint",
        d => [("envoy_cluster_name", d.Cluster), ("envoy_endpoint_address", d.Authority), ("destination", d.Name)],
    [
        new(Gauge, "rq_active", "Attempts in flight", d => d.InFlight) { InClusters = true, Page = "inFlight" },
        new(Counter, "rq_total", "Attempts sent to the destination", d => d.Attempts.Total) { InClusters = true, Page = "requests" },
        new(Counter, "rq_success", "Answers below 500", d => d.Attempts.Answers.Total - d.Attempts.Answers[5]) { InClusters = true },
        new(Counter, "rq_error", "Attempts that the destination failed", d => d.Attempts.Errors) { InClusters = true, Page = "errors" },
        new(Counter, "rq_timeout", "Attempts that were not answered in time", d => d.Attempts.Timeouts) { InClusters = true, Page = "timeouts" },
        new(Counter, "rq_rx_reset", "Attempts whose connection broke before the answer", d => d.Attempts.Resets),
        new(Counter, "cx_connect_fail", "Attempts that got no connection", d => d.Attempts.ConnectFailures) { InClusters = true, Page = "connectFailures" },
        new(Counter, "ejections", "Ejections", d => d.EjectionCount) { Page = "ejections" },
        new(Gauge, "healthy", "0 while a probe or failed requests mark it unhealthy", d => d.IsHealthy ? 1 : 0),
        new(Histogram, "rq_time", "Time of an attempt until the end of its answer, in milliseconds")
            { Latency = d => d.Attempts.Latency, Interval = d => d.Attempts.Interval.Latency },
    ]);

    public static readonly FigureTable<ListenerFeature> Listeners = new(
        l => $"http.{l.Name.ToLowerInvariant()}", "envoy_http", l => [("envoy_http_conn_manager_prefix", l.Name.ToLowerInvariant())],
    [
        new(Counter, "downstream_cx_total", "Client connections", l => l.Statistics.Connections),
        new(Gauge, "downstream_cx_active", "Open client connections", l => l.Statistics.OpenConnections) { Page = "connections" },
        Refused("downstream_cx_overflow", "Connections refused at the listener's limit", ConnectionRefusal.ListenerFull),
        Refused("downstream_global_cx_overflow", "Connections refused because all listeners together have too many", ConnectionRefusal.NoSockets),
        Refused("downstream_cx_overload_reject", "Connections refused because memory is short", ConnectionRefusal.Overload),
        Refused("downstream_cx_address_overflow", "Connections refused because their address had too many open", ConnectionRefusal.AddressFull),
        Refused("downstream_cx_address_rate_limited", "Connections refused because their address opened too many a second", ConnectionRefusal.AddressTooFast),
        Refused("downstream_cx_handshake_overflow", "Connections refused because too many TLS handshakes were in progress", ConnectionRefusal.Handshakes),
        Refused("downstream_pre_cx_timeout", "Connections closed because the client sent nothing", ConnectionRefusal.Silent),
        Refused("ssl.connection_error", "Connections closed before their TLS handshake was complete", ConnectionRefusal.NoHandshake),
        Refused("downstream_rq_too_many_premature_resets", "Connections closed because the client reset too many requests", ConnectionRefusal.Resets),
        new(Gauge, "downstream_rq_active", "Requests in flight", l => l.Statistics.Active) { Page = "active" },
        new(Counter, "downstream_rq_total", "Requests", l => l.Statistics.Requests) { Page = "requests" },
        new(Counter, "downstream_rq_completed", "Requests that were answered", l => l.Statistics.Answers.Total),
        .. ByClass<ListenerFeature>("downstream_rq", "Answers to clients by class", l => l.Statistics.Answers).Select(row => row with { Page = $"{row.Label?.Value}xx" }),
        new(Histogram, "downstream_rq_time", "Time of a request until the end of its answer, in milliseconds") { Latency = l => l.Statistics.Latency },
    ]);

    public static readonly FigureTable<RequestLimit> RequestLimits = new(
        l => $"{l.Name}.http_local_rate_limit", "envoy_http_local_rate_limit", l => [("envoy_local_http_ratelimit_prefix", l.Name)],
    [
        new(Counter, "enabled", "Requests that the limit counted", l => l.Within.Value + l.Over.Value),
        new(Counter, "ok", "Requests within the limit", l => l.Within.Value),
        new(Counter, "rate_limited", "Requests over the limit", l => l.Over.Value),
        new(Counter, "enforced", "Requests that the limit refused", l => l.Refused.Value),
    ]);

    // Not in Envoy, so not under its name.
    public static readonly FigureTable<DiscoverySource> Sources = new(s => $"discovery.{s.Address}", "edge_discovery", s => [("source", s.Address)],
    [
        new(Gauge, "age_seconds", "Time since the source last answered; 0 while it is watched", s => s.Age.TotalSeconds) { Instrument = ("edge.discovery.age", "s") },
        new(Gauge, "endpoints", "Endpoints that the source last knew", s => s.Endpoints?.Count ?? 0),
        new(Gauge, "failing", "1 while the source fails", s => s.Failing ? 1 : 0),
        new(Counter, "updates", "Changes of the source's endpoints", s => s.Updates.Value) { Instrument = ("edge.discovery.updates", "{update}") },
        new(Counter, "failures", "Failed refreshes of the source", s => s.Failures.Value) { Instrument = ("edge.discovery.failures", "{failure}") },
    ]);

    public static readonly FigureTable<(ServerStatus Status, TimeSpan Uptime, long Connections)> Server = new(_ => "server", "envoy_server", _ => [],
    [
        new(Gauge, "live", "1 unless the edge drains", s => s.Status.State == "DRAINING" ? 0 : 1),
        new(Gauge, "state", "0 LIVE, 1 DRAINING, 2 PRE_INITIALIZING", s => s.Status.Number),
        new(Gauge, "uptime", "Seconds since the start", s => Math.Floor(s.Uptime.TotalSeconds)),
        new(Gauge, "total_connections", "Open client connections of all listeners", s => s.Connections),
    ]);

    public static readonly FigureTable<AccessLogWriter> AccessLog = new(_ => "accesslog", "edge_accesslog", _ => [],
    [
        new(Counter, "written", "Requests written to the access log", log => log.Written.Value) { Instrument = ("edge.access_log.written", "{line}") },
        new(Counter, "dropped", "Requests lost to the access log: its queue was full or its file could not be written", log => log.Dropped.Value) { Instrument = ("edge.access_log.dropped", "{line}") },
        new(Counter, "left_out", "Failed requests beyond the access log's limit per second", log => log.LeftOut.Value) { Instrument = ("edge.access_log.left_out", "{line}") },
    ]);

    public static readonly FigureTable<RequestBufferBudget> RequestBuffer = new(_ => "request_buffer", "edge_request_buffer", _ => [],
    [
        new(Gauge, "bytes", "Memory that request bodies take", budget => budget.Bytes),
        new(Counter, "overflow", "Requests refused because request bodies took all the memory allowed", budget => budget.Overflows.Value),
    ]);

    private static Figure<ListenerFeature> Refused(string name, string help, ConnectionRefusal reason) =>
        new(Counter, name, help, l => l.Statistics.Refused(reason).Value);

    private static IEnumerable<Figure<T>> ByClass<T>(string name, string help, Func<T, StatusClasses> answers) => Enumerable.Range(1, 5).Select(first =>
        new Figure<T>(Counter, $"{name}_{first}xx", help, subject => answers(subject)[first]) { Family = $"{name}_xx", Label = ("envoy_response_code_class", $"{first}") });

    private static Figure<ClusterStatus> RetriesAfter(AttemptOutcome outcome, string reason) =>
        new(Counter, $"upstream_rq_retry.{reason}", "Attempts after the first by reason", c => c.Statistics.RetriesAfter(outcome).Value)
        {
            Family = "upstream_rq_retry_by_reason",
            Label = ("reason", reason),
            Page = $"retries.{reason}",
            Instrument = ("edge.retries", "{retry}"),
        };

    private static Figure<ClusterStatus> Overflows(string limit, Func<ClusterStatus, double> read) =>
        new(Counter, $"upstream_rq_pending_overflow.{limit}", "Requests refused because too many were in flight, by limit", read)
        {
            Family = "upstream_rq_pending_overflow_by_limit",
            Label = ("limit", limit),
            Page = $"refused.{limit}_limit",
            Instrument = ("edge.circuit_breaker.overflows", "{request}"),
        };
}
