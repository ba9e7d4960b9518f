using System.Globalization;
using System.Text;
using System.Text.Json.Serialization;
using UserSvc.Edge.Resilience;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Admin;

/// <summary>Envoy's <c>/clusters</c>: a line a figure, or JSON in the shape of <c>envoy.admin.v3.Clusters</c>. Only what is known here is in it.</summary>
internal static class ClustersEndpoint
{
    internal static IResult Get(HttpRequest request, IProxyStateLookup proxy, ResilienceState state)
    {
        var clusters = proxy.GetClusters().OrderBy(c => c.ClusterId, StringComparer.Ordinal).Select(c => Status(c, state)).ToList();
        return request.Query["format"].ToString() switch
        {
            "" or "text" => TypedResults.Text(Text(clusters)),
            "json" => TypedResults.Json(new ClusterStatuses(clusters), ClustersJson.Default.ClusterStatuses),
            var other => AdminAnswers.UnknownFormat(other, "text or json"),
        };
    }

    private static ClusterStatus Status(ClusterState cluster, ResilienceState state)
    {
        var settings = state.Get(cluster).GetSettings(cluster.Model);
        return new(
            cluster.ClusterId,
            [.. cluster.DestinationsState.AllDestinations.OrderBy(d => d.DestinationId, StringComparer.Ordinal).Select(d => Status(d, state.Get(d), cluster.IsProbed()))],
            new([new("DEFAULT", settings.MaxRequests)]));
    }

    private static HostStatus Status(DestinationState destination, DestinationResilience record, bool probed)
    {
        var (uri, attempts) = (new Uri(destination.Model.Config.Address), record.Attempts);
        return new(
            new(new(uri.Host.Trim('[', ']'), uri.Port)),
            [
                Counter("cx_connect_fail", attempts.ConnectFailures),
                new("GAUGE", Number(destination.ConcurrentRequestCount), "rq_active"),
                Counter("rq_error", attempts.Errors),
                Counter("rq_success", attempts.Succeeded()),
                Counter("rq_timeout", attempts.Timeouts),
                Counter("rq_total", attempts.Total),
            ],
            new(
                "HEALTHY",
                destination.Health.Active is DestinationHealth.Unhealthy,
                destination.Health.Passive is DestinationHealth.Unhealthy,
                probed && destination.Health.Active is DestinationHealth.Unknown),
            destination.DestinationId);
    }

    private static string Text(IEnumerable<ClusterStatus> clusters)
    {
        var text = new StringBuilder();
        foreach (var cluster in clusters)
        {
            Line(cluster.Name, "observability_name", cluster.Name);
            Line(cluster.Name, "default_priority::max_requests", Number(cluster.CircuitBreakers.Thresholds[0].MaxRequests));
            Line(cluster.Name, "added_via_api", "false");
            foreach (var host in cluster.HostStatuses)
            {
                var socket = host.Address.SocketAddress;
                var name = $"{cluster.Name}::{(socket.Address.Contains(':', StringComparison.Ordinal) ? $"[{socket.Address}]" : socket.Address)}:{Number(socket.PortValue)}";
                foreach (var stat in host.Stats)
                {
                    Line(name, stat.Name, stat.Value);
                }

                Line(name, "hostname", host.Hostname);
                Line(name, "health_flags", Flags(host.HealthStatus));
            }
        }

        return text.ToString();

        void Line(string name, string stat, string value) => text.Append(name).Append("::").Append(stat).Append("::").Append(value).Append('\n');
    }

    private static string Flags(HostHealth health)
    {
        var flags = (health.FailedActiveHealthCheck ? "/failed_active_hc" : "") + (health.FailedOutlierCheck ? "/failed_outlier_check" : "")
            + (health.PendingActiveHc ? "/pending_active_hc" : "");
        return flags.Length == 0 ? "healthy" : flags;
    }

    private static SimpleMetric Counter(string name, long value) => new("COUNTER", Number(value), name);

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}

internal sealed record ClusterStatuses([property: JsonPropertyName("cluster_statuses")] IReadOnlyList<ClusterStatus> Statuses);

internal sealed record ClusterStatus(string Name, IReadOnlyList<HostStatus> HostStatuses, CircuitBreakers CircuitBreakers, bool AddedViaApi = false)
{
    public string ObservabilityName => Name;
}

internal sealed record HostStatus(HostAddress Address, IReadOnlyList<SimpleMetric> Stats, HostHealth HealthStatus, string Hostname, int Weight = 1);

internal sealed record HostAddress(SocketAddress SocketAddress);

internal sealed record SocketAddress(string Address, int PortValue);

/// <summary>64-bit numbers are strings, as in every JSON of a protobuf.</summary>
internal sealed record SimpleMetric(string Type, string Value, string Name);

internal sealed record HostHealth(string EdsHealthStatus, bool FailedActiveHealthCheck, bool FailedOutlierCheck, bool PendingActiveHc);

internal sealed record CircuitBreakers(IReadOnlyList<Threshold> Thresholds);

internal sealed record Threshold(string Priority, int MaxRequests);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
[JsonSerializable(typeof(ClusterStatuses))]
internal sealed partial class ClustersJson : JsonSerializerContext;
