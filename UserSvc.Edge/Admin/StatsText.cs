using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using UserSvc.Edge.Statistics;

namespace UserSvc.Edge.Admin;

/// <summary>Envoy's <c>/stats</c>: one line per stat, sorted by name, histograms last; or the same as JSON.</summary>
internal static class StatsText
{
    private static readonly double[] Quantiles = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];

    public static string Write(IEnumerable<Stat> stats)
    {
        var text = new StringBuilder();
        foreach (var stat in Sort(stats))
        {
            text.Append(CultureInfo.InvariantCulture, $"{stat.Name}: {(stat.Kind is StatKind.Histogram ? Summarize(stat) : stat.Value)}\n");
        }

        return text.ToString();
    }

    // {"stats":[{"name":"…","value":1},…,{"histograms":{"supported_quantiles":[0,25,…],"computed_quantiles":[{"name":"…","values":[{"interval":null,"cumulative":1.05},…]}]}}]}
    public static JsonObject ToJson(IEnumerable<Stat> stats)
    {
        var sorted = Sort(stats).ToLookup(s => s.Kind is StatKind.Histogram);
        var histograms = new JsonObject
        {
            ["supported_quantiles"] = new JsonArray([.. Quantiles.Select(quantile => (JsonNode?)quantile)]),
            ["computed_quantiles"] = new JsonArray([.. sorted[true].Select(histogram => new JsonObject
            {
                ["name"] = histogram.Name,
                ["values"] = new JsonArray([.. Quantiles.Select(quantile => new JsonObject
                {
                    ["interval"] = Read(histogram.Interval, quantile),
                    ["cumulative"] = Read(histogram.Latency, quantile),
                })]),
            })]),
        };
        return new()
        {
            ["stats"] = new JsonArray(
            [
                .. sorted[false].Select(stat => new JsonObject { ["name"] = stat.Name, ["value"] = stat.Value }),
                new JsonObject { ["histograms"] = histograms },
            ]),
        };
    }

    private static IEnumerable<Stat> Sort(IEnumerable<Stat> stats) =>
        stats.OrderBy(s => s.Kind is StatKind.Histogram).ThenBy(s => s.Name, StringComparer.Ordinal);

    // P50(last second, since start)
    private static string Summarize(Stat stat) => stat.Latency.Count == 0
        ? "No recorded values"
        : string.Join(' ', Quantiles.Select(q => string.Create(CultureInfo.InvariantCulture, $"P{q}({Text(Read(stat.Interval, q))},{Text(Read(stat.Latency, q))})")));

    private static double? Read(HistogramSnapshot histogram, double quantile) =>
        histogram.Percentile(quantile / 100) is { } value ? Math.Round(value, 4) : null;

    private static string Text(double? value) => value?.ToString(CultureInfo.InvariantCulture) ?? "nan";
}
