using System.Globalization;
using System.Text;
using System.Text.Json;
using UserSvc.Edge.Statistics;

namespace UserSvc.Edge.Admin;

/// <summary>Envoy's <c>/stats</c>: one line per stat, sorted by name, histograms last; or the same as JSON.</summary>
internal static class StatsText
{
    private static readonly double[] Quantiles = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];

    public static string Write(IEnumerable<Stat> stats)
    {
        var text = new StringBuilder();
        foreach (var stat in Ordered(stats))
        {
            text.Append(CultureInfo.InvariantCulture, $"{stat.Name}: {(stat.Kind is StatKind.Histogram ? Summary(stat) : stat.Value)}\n");
        }

        return text.ToString();
    }

    public static byte[] WriteJson(IEnumerable<Stat> stats)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            var ordered = Ordered(stats).ToList();
            json.WriteStartObject();
            json.WriteStartArray("stats");
            foreach (var stat in ordered.Where(s => s.Kind is not StatKind.Histogram))
            {
                json.WriteStartObject();
                json.WriteString("name", stat.Name);
                json.WriteNumber("value", stat.Value);
                json.WriteEndObject();
            }

            WriteHistograms(json, ordered.Where(s => s.Kind is StatKind.Histogram));
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.ToArray();
    }

    // {"histograms":{"supported_quantiles":[0,25,…],"computed_quantiles":[{"name":"…","values":[{"interval":null,"cumulative":1.05},…]}]}}
    private static void WriteHistograms(Utf8JsonWriter json, IEnumerable<Stat> histograms)
    {
        json.WriteStartObject();
        json.WriteStartObject("histograms");
        json.WriteStartArray("supported_quantiles");
        foreach (var quantile in Quantiles)
        {
            json.WriteNumberValue(quantile);
        }

        json.WriteEndArray();
        json.WriteStartArray("computed_quantiles");
        foreach (var histogram in histograms)
        {
            json.WriteStartObject();
            json.WriteString("name", histogram.Name);
            json.WriteStartArray("values");
            foreach (var quantile in Quantiles)
            {
                json.WriteStartObject();
                WriteValue(json, "interval", histogram.Interval.Percentile(quantile / 100));
                WriteValue(json, "cumulative", histogram.Latency.Percentile(quantile / 100));
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteValue(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number)
        {
            json.WriteNumber(name, Math.Round(number, 4));
        }
        else
        {
            json.WriteNull(name);
        }
    }

    private static IEnumerable<Stat> Ordered(IEnumerable<Stat> stats) =>
        stats.OrderBy(s => s.Kind is StatKind.Histogram).ThenBy(s => s.Name, StringComparer.Ordinal);

    // P50(last second, since start)
    private static string Summary(Stat stat) => stat.Latency.Count == 0
        ? "No recorded values"
        : string.Join(' ', Quantiles.Select(q => string.Create(CultureInfo.InvariantCulture, $"P{q}({Value(stat.Interval, q)},{Value(stat.Latency, q)})")));

    private static string Value(HistogramSnapshot histogram, double quantile) =>
        histogram.Percentile(quantile / 100) is { } value ? Math.Round(value, 4).ToString(CultureInfo.InvariantCulture) : "nan";
}
