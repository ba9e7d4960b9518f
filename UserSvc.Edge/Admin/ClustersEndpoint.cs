using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using UserSvc.Edge.Resilience;

namespace UserSvc.Edge.Admin;

/// <summary>Envoy's <c>/clusters</c>: one line per figure, or JSON in the shape of <c>envoy.admin.v3.Clusters</c>, without what the edge does not have.</summary>
internal static class ClustersEndpoint
{
    private static readonly IReadOnlyList<Figure<DestinationStatus>> HostFigures =
        [.. Figures.Destinations.Rows.Where(row => row.InClusters).OrderBy(row => row.Name, StringComparer.Ordinal)];

    internal static IResult Get(HttpRequest request, ClusterStatuses clusters) => request.Query["format"].ToString() switch
    {
        "" or "text" => TypedResults.Text(WriteText(clusters.GetAll())),
        "json" => AdminAnswers.Json(new() { ["cluster_statuses"] = new JsonArray([.. clusters.GetAll().Select(ToJson)]) }),
        var other => AdminAnswers.UnknownFormat(other, "text or json"),
    };

    private static string WriteText(IEnumerable<ClusterStatus> clusters)
    {
        var text = new StringBuilder();
        foreach (var cluster in clusters)
        {
            Line(cluster.Name, "observability_name", cluster.Name);
            Line(cluster.Name, "default_priority::max_requests", Format(cluster.MaxRequests));
            Line(cluster.Name, "added_via_api", "false");
            foreach (var destination in cluster.Destinations)
            {
                var name = $"{cluster.Name}::{destination.Authority}";
                foreach (var figure in HostFigures)
                {
                    Line(name, figure.Name, Format(figure.Read!(destination)));
                }

                Line(name, "hostname", destination.Name);
                Line(name, "health_flags", GetFlags(destination));
            }
        }

        return text.ToString();

        void Line(string name, string stat, string value) => text.Append(name).Append("::").Append(stat).Append("::").Append(value).Append('\n');
    }

    private static string GetFlags(DestinationStatus destination)
    {
        var flags = (destination.FailsProbes ? "/failed_active_hc" : "")
            + (destination.IsEjected ? "/failed_outlier_check" : "")
            + (destination.IsPending ? "/pending_active_hc" : "");
        return flags.Length == 0 ? "healthy" : flags;
    }

    private static JsonObject ToJson(ClusterStatus cluster) => new()
    {
        ["name"] = cluster.Name,
        ["host_statuses"] = new JsonArray([.. cluster.Destinations.Select(ToJson)]),
        ["circuit_breakers"] = new JsonObject
        {
            ["thresholds"] = new JsonArray(new JsonObject { ["priority"] = "DEFAULT", ["max_requests"] = cluster.MaxRequests }),
        },
        ["added_via_api"] = false,
        ["observability_name"] = cluster.Name,
    };

    private static JsonObject ToJson(DestinationStatus destination) => new()
    {
        ["address"] = new JsonObject
        {
            ["socket_address"] = new JsonObject { ["address"] = destination.Address.Host.Trim('[', ']'), ["port_value"] = destination.Address.Port },
        },
        // 64-bit numbers are strings, as in all JSON made from protobuf.
        ["stats"] = new JsonArray([.. HostFigures.Select(figure => new JsonObject
        {
            ["type"] = figure.Kind is StatKind.Counter ? "COUNTER" : "GAUGE",
            ["value"] = Format(figure.Read!(destination)),
            ["name"] = figure.Name,
        })]),
        ["health_status"] = new JsonObject
        {
            ["eds_health_status"] = "HEALTHY",
            ["failed_active_health_check"] = destination.FailsProbes,
            ["failed_outlier_check"] = destination.IsEjected,
            ["pending_active_hc"] = destination.IsPending,
        },
        ["hostname"] = destination.Name,
        ["weight"] = 1,
    };

    private static string Format(double value) => value.ToString("F0", CultureInfo.InvariantCulture);
}
