using System.Text.Json;
using System.Text.Json.Serialization;
using UserSvc.Edge.Discovery;
using UserSvc.Edge.Listeners;
using UserSvc.Edge.Resilience;
using UserSvc.Edge.Statistics;
using UserSvc.ServiceDefaults;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Admin;

/// <summary>The edge at a glance, for the page. Made once for all who look at it at the same time.</summary>
internal sealed class Overview(
    IProxyStateLookup proxy, ResilienceState state, OpenListeners listeners, DiscoverySources sources, ServerState server, Instance instance, TimeProvider time)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromMilliseconds(250);

    private volatile Made? _made;

    public string History() => JsonSerializer.Serialize(
        new HistoryEvent(Sampling.Every.TotalSeconds, proxy.GetClusters().ToDictionary(c => c.ClusterId, c => state.Get(c).Statistics.Samples.All)),
        OverviewJson.Default.HistoryEvent);

    public async Task<string> StatsAsync(CancellationToken cancellationToken)
    {
        if (_made is { } made && time.GetElapsedTime(made.At) < Fresh)
        {
            return made.Json;
        }

        var status = await server.ReadAsync(cancellationToken);
        var stats = new StatsEvent(
            time.GetUtcNow().UtcDateTime,
            new(instance.Name, ServerEndpoints.Version, server.Uptime.TotalSeconds, status.State, server.HealthCheckFailed, status.Ready, status.Reason),
            DownstreamOverview.Of([.. listeners.All.Where(l => l.Listener is Listener.Public).Select(l => l.Statistics)]),
            [.. proxy.GetClusters().OrderBy(c => c.ClusterId, StringComparer.Ordinal).Select(Of)],
            [.. sources.All.OrderBy(s => s.Address, StringComparer.Ordinal).Select(s => new SourceOverview(s.Address, s.Age.TotalSeconds, s.Endpoints?.Count, s.Failing))]);
        var json = JsonSerializer.Serialize(stats, OverviewJson.Default.StatsEvent);
        _made = new(time.GetTimestamp(), json);
        return json;
    }

    private ClusterOverview Of(ClusterState cluster)
    {
        var (record, destinations) = (state.Get(cluster), cluster.DestinationsState);
        return new(
            cluster.ClusterId,
            cluster.Model.Config.LoadBalancingPolicy,
            (int)record.InFlight.Value,
            record.GetSettings(cluster.Model).MaxRequests,
            record.Statistics.Attempts.Total,
            record.Statistics.Attempts.Errors,
            record.Statistics.Retries,
            record.Statistics.RetryOverflows.Value,
            record.Statistics.Ejections.Value,
            record.Statistics.Refused,
            ClusterHealth.Healthy(cluster),
            destinations.AllDestinations.Count,
            ClusterHealth.Panics(cluster),
            record.Statistics.Samples.Latest,
            [.. destinations.AllDestinations.OrderBy(d => d.DestinationId, StringComparer.Ordinal).Select(d => Of(d, cluster.IsProbed(), destinations.AvailableDestinations.Contains(d)))]);
    }

    private DestinationOverview Of(DestinationState destination, bool probed, bool receives)
    {
        var record = state.Get(destination);
        return new(
            destination.DestinationId,
            Redactor.RedactAddress(destination.Model.Config.Address),
            record.OutOfService ? "outOfService"
                : destination.Health.Active is DestinationHealth.Unhealthy ? "unhealthy"
                : destination.Health.Passive is DestinationHealth.Unhealthy ? "ejected"
                : probed && destination.Health.Active is DestinationHealth.Unknown ? "unknown"
                : "healthy",
            receives,
            destination.ConcurrentRequestCount,
            record.Attempts.Total,
            record.Attempts.Errors,
            record.Attempts.Timeouts,
            record.Attempts.ConnectFailures,
            record.EjectionHistory.Total.Value,
            record.Attempts.Interval.Rate,
            record.Attempts.Interval.Latency.Percentile(0.5),
            record.Attempts.Interval.Latency.Percentile(0.99));
    }

    private sealed record Made(long At, string Json);
}

internal sealed record HistoryEvent(double Interval, IReadOnlyDictionary<string, IReadOnlyList<Sample>> Clusters);

internal sealed record StatsEvent(
    DateTime Time, InstanceOverview Instance, DownstreamOverview Downstream, IReadOnlyList<ClusterOverview> Clusters, IReadOnlyList<SourceOverview> Discovery);

internal sealed record InstanceOverview(string Name, string Version, double Uptime, string State, bool HealthCheckFailed, bool Ready, string? Reason);

internal sealed record DownstreamOverview(
    long Connections,
    long Active,
    long Requests,
    [property: JsonPropertyName("1xx")] long Informational,
    [property: JsonPropertyName("2xx")] long Successful,
    [property: JsonPropertyName("3xx")] long Redirection,
    [property: JsonPropertyName("4xx")] long ClientError,
    [property: JsonPropertyName("5xx")] long ServerError)
{
    public static DownstreamOverview Of(IReadOnlyList<ListenerStatistics> listeners)
    {
        return new(
            listeners.Sum(l => l.OpenConnections), listeners.Sum(l => l.Active), listeners.Sum(l => l.Requests), Class(1), Class(2), Class(3), Class(4), Class(5));

        long Class(int first) => listeners.Sum(l => l.Answers[first]);
    }
}

internal sealed record ClusterOverview(
    string Name, string? Policy, int InFlight, int MaxRequests, long Requests, long Errors, long Retries, long RetriesRefused, long Ejections, long Refused,
    int Healthy, int Total, bool Panic, Sample? Sample, IReadOnlyList<DestinationOverview> Destinations);

internal sealed record DestinationOverview(
    string Name, string Address, string Health, bool Receives, int InFlight, long Requests, long Errors, long Timeouts, long ConnectFailures, long Ejections,
    double Rate, double? P50, double? P99);

internal sealed record SourceOverview(string Source, double Age, int? Endpoints, bool Failing);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(HistoryEvent))]
[JsonSerializable(typeof(StatsEvent))]
internal sealed partial class OverviewJson : JsonSerializerContext;
