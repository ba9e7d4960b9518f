using System.Globalization;
using System.Text;

namespace UserSvc.Edge.Admin;

/// <summary>Prometheus' text exposition format 0.0.4. Latencies are in milliseconds with Envoy's bounds, which its dashboards expect.</summary>
internal static class PrometheusText
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private static readonly double[] Bounds =
        [0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000];

    public static string Write(IEnumerable<Stat> stats)
    {
        var text = new StringBuilder();
        foreach (var family in stats.GroupBy(s => s.Family).OrderBy(f => f.Key, StringComparer.Ordinal))
        {
            var first = family.First();
            text.Append("# HELP ").Append(family.Key).Append(' ').Append(Escape(first.Help)).Append('\n');
            text.Append("# TYPE ").Append(family.Key).Append(' ').Append(first.Kind.ToString().ToLowerInvariant()).Append('\n');
            foreach (var stat in family)
            {
                if (stat.Kind is StatKind.Histogram)
                {
                    WriteHistogram(text, stat);
                }
                else
                {
                    WriteSample(text, stat.Family, stat.Labels, stat.Value);
                }
            }
        }

        return text.ToString();
    }

    private static void WriteHistogram(StringBuilder text, Stat stat)
    {
        foreach (var bound in Bounds)
        {
            WriteSample(text, $"{stat.Family}_bucket", [.. stat.Labels, ("le", bound.ToString(CultureInfo.InvariantCulture))], stat.Latency.CountUpTo(bound));
        }

        WriteSample(text, $"{stat.Family}_bucket", [.. stat.Labels, ("le", "+Inf")], stat.Latency.Count);
        WriteSample(text, $"{stat.Family}_sum", stat.Labels, stat.Latency.Sum);
        WriteSample(text, $"{stat.Family}_count", stat.Labels, stat.Latency.Count);
    }

    private static void WriteSample(StringBuilder text, string name, IReadOnlyList<(string Name, string Value)> labels, double value)
    {
        text.Append(name);
        for (var i = 0; i < labels.Count; i++)
        {
            text.Append(i == 0 ? '{' : ',').Append(labels[i].Name).Append("=\"").Append(Escape(labels[i].Value).Replace("\"", "\\\"", StringComparison.Ordinal)).Append('"');
        }

        text.Append(labels.Count > 0 ? "} " : " ").Append(CultureInfo.InvariantCulture, $"{value}").Append('\n');
    }

    private static string Escape(string value) => value.Replace("\\", @"\\", StringComparison.Ordinal).Replace("\n", @"\n", StringComparison.Ordinal);
}
