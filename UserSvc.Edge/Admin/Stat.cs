using UserSvc.Edge.Statistics;

namespace UserSvc.Edge.Admin;

internal enum StatKind
{
    Counter,
    Gauge,
    Histogram,
}

/// <summary>
/// A figure under both its names: Envoy's stat, <c>cluster.usersvc.upstream_rq_2xx</c>, and what Envoy's Prometheus text makes of it,
/// <c>envoy_cluster_upstream_rq_xx</c> with labels.
/// </summary>
internal sealed record Stat(string Name, string Family, IReadOnlyList<(string Name, string Value)> Labels, StatKind Kind, string Help, double Value)
{
    /// <summary>Of a histogram: everything, and the last second, where that is known.</summary>
    public HistogramSnapshot Latency { get; init; } = HistogramSnapshot.Empty;

    public HistogramSnapshot Interval { get; init; } = HistogramSnapshot.Empty;

    /// <summary>Whether it has ever counted anything, or is not zero now.</summary>
    public bool IsUsed => Kind is StatKind.Histogram ? Latency.Count > 0 : Value != 0;
}

/// <summary>Stats with the same beginning and labels.</summary>
internal sealed class StatScope(List<Stat> stats, string name, string family, params IReadOnlyList<(string Name, string Value)> labels)
{
    public void Counter(string stat, string help, double value) => Add(stat, stat, labels, StatKind.Counter, help, value);

    public void Gauge(string stat, string help, double value) => Add(stat, stat, labels, StatKind.Gauge, help, value);

    public void Classes(string stat, string help, StatusClasses answers)
    {
        for (var first = 1; first <= 5; first++)
        {
            Add($"{stat}_{first}xx", $"{stat}_xx", [.. labels, ("envoy_response_code_class", $"{first}")], StatKind.Counter, help, answers[first]);
        }
    }

    public void Histogram(string stat, string help, HistogramSnapshot latency, HistogramSnapshot interval) =>
        stats.Add(new Stat($"{name}.{stat}", Family(stat), labels, StatKind.Histogram, help, 0) { Latency = latency, Interval = interval });

    private void Add(string stat, string metric, IReadOnlyList<(string, string)> with, StatKind kind, string help, double value) =>
        stats.Add(new($"{name}.{stat}", Family(metric), with, kind, help, value));

    private string Family(string stat) => $"{family}_{stat.Replace('.', '_')}";
}
