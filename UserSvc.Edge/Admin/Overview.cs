using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using UserSvc.Edge.Discovery;
using UserSvc.Edge.Listeners;
using UserSvc.Edge.Resilience;
using UserSvc.Edge.Statistics;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Admin;

/// <summary>The page's data. Everyone who watches the page at the same time gets the same text.</summary>
internal sealed class Overview(
    ClusterStatuses clusters, OpenListeners listeners, DiscoverySources sources, ServerState server, Instance instance, TimeProvider time)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromMilliseconds(250);

    private volatile CachedJson? _cached;

    /// <summary>The samples as rows: with a name for every value, the text would be three times as long.</summary>
    public string WriteHistory() => new JsonObject
    {
        ["fields"] = new JsonArray("time", "requests", "errors", "p50", "p99", "retries", "ejections"),
        ["clusters"] = new JsonObject(clusters.GetAll().Select(c => Field(c.Name, new JsonArray([.. c.Statistics.Samples.All.Select(ToRow)])))),
    }.ToJsonString();

    public async Task<string> WriteStatsAsync(CancellationToken cancellationToken)
    {
        if (_cached is { } cached && time.GetElapsedTime(cached.At) < Fresh)
        {
            return cached.Json;
        }

        var status = await server.ReadAsync(cancellationToken);
        var json = new JsonObject
        {
            ["time"] = time.GetUtcNow().UtcDateTime,
            ["instance"] = new JsonObject
            {
                ["name"] = instance.Name,
                ["version"] = ServerEndpoints.Version,
                ["uptime"] = server.Uptime.TotalSeconds,
                ["state"] = status.State,
                ["healthCheckFailed"] = server.HealthCheckFailed,
                ["ready"] = status.Ready,
                ["reason"] = status.Reason,
            },
            ["downstream"] = new JsonObject(Figures.Listeners.ReadForPage([.. listeners.All.Where(l => l.Listener is Listener.Public)])),
            ["clusters"] = new JsonArray([.. clusters.GetAll().Select(ToJson)]),
            ["discovery"] = new JsonArray([.. sources.All.OrderBy(s => s.Address, StringComparer.Ordinal).Select(ToJson)]),
        }.ToJsonString();
        _cached = new(time.GetTimestamp(), json);
        return json;
    }

    private static JsonArray ToRow(Sample s) =>
        new(new DateTimeOffset(s.Time).ToUnixTimeMilliseconds(), Round(s.Requests), Round(s.Errors), Round(s.P50), Round(s.P99), Round(s.Retries), s.Ejections);

    private static JsonNode? Round(double? value) => value is { } exact ? Math.Round(exact, 2) : null;

    private static JsonObject ToJson(ClusterStatus cluster) => new(
    [
        Field("name", cluster.Name),
        Field("policy", cluster.Policy),
        Field("inFlight", cluster.InFlight),
        Field("maxRequests", cluster.MaxRequests),
        .. Figures.Clusters.ReadForPage(cluster),
        Field("panic", cluster.Panics),
        Field("sample", cluster.Statistics.Samples.Latest is { } latest ? JsonSerializer.SerializeToNode(latest, SampleJson.Default.Sample) : null),
        Field("destinations", new JsonArray([.. cluster.Destinations.Select(ToJson)])),
    ]);

    private static JsonObject ToJson(DestinationStatus destination) => new(
    [
        Field("name", destination.Name),
        Field("address", Redactor.RedactAddress(destination.Address.OriginalString)),
        Field("health", destination.Health),
        Field("receives", destination.Receives),
        .. Figures.Destinations.ReadForPage(destination),
        Field("rate", destination.Attempts.Interval.Rate),
        Field("p50", destination.Attempts.Interval.Latency.Percentile(0.5)),
        Field("p99", destination.Attempts.Interval.Latency.Percentile(0.99)),
    ]);

    private static JsonObject ToJson(DiscoverySource source) => new()
    {
        ["source"] = source.Address,
        ["age"] = source.Age.TotalSeconds,
        ["endpoints"] = source.Endpoints?.Count,
        ["failing"] = source.Failing,
    };

    private static KeyValuePair<string, JsonNode?> Field(string name, JsonNode? value) => new(name, value);

    private sealed record CachedJson(long At, string Json);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Sample))]
internal sealed partial class SampleJson : JsonSerializerContext;
