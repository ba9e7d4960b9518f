using System.Text.Json.Nodes;
using UserSvc.Edge.Statistics;

namespace UserSvc.Edge.Admin;

internal enum StatKind
{
    Counter,
    Gauge,
    Histogram,
}

/// <summary>
/// One row of a <see cref="FigureTable{T}"/>: where a figure is read, and its name in each place that shows it. <see cref="Name"/> is the
/// one in <c>/stats</c>, Envoy's where Envoy has the figure. <see cref="Read"/> is null for a histogram.
/// </summary>
internal sealed record Figure<T>(StatKind Kind, string Name, string Help, Func<T, double>? Read = null)
{
    /// <summary>The name in Prometheus, after the table's. Rows that differ only by <see cref="Label"/> share one.</summary>
    public string Family { get; init; } = Name.Replace('.', '_');

    public (string Name, string Value)? Label { get; init; }

    /// <summary>For a histogram, since the start.</summary>
    public Func<T, HistogramSnapshot>? Latency { get; init; }

    /// <summary>For a histogram, in the last second; null if that is not known.</summary>
    public Func<T, HistogramSnapshot>? Interval { get; init; }

    /// <summary>The OpenTelemetry instrument and its unit; its tags are the subject and <see cref="Label"/>.</summary>
    public (string Name, string Unit)? Instrument { get; init; }

    /// <summary>The field on the page, which lists fields such as <c>retries.reset</c> by their first part.</summary>
    public string? Page { get; init; }

    /// <summary>Whether <c>/clusters</c> lists it for each host.</summary>
    public bool InClusters { get; init; }
}

/// <summary>
/// The figures of one kind of subject: clusters, destinations, listeners, sources or the edge as a whole. In <c>/stats</c> a figure's name
/// follows its subject's name; in Prometheus it follows the family, and labels name the subject.
/// </summary>
internal sealed class FigureTable<T>(
    Func<T, string> name, string family, Func<T, IReadOnlyList<(string Name, string Value)>> labels, IReadOnlyList<Figure<T>> rows)
{
    public IReadOnlyList<Figure<T>> Rows => rows;

    public IEnumerable<Stat> Read(T subject)
    {
        var (prefix, common) = (name(subject), labels(subject));
        return rows.Select(row => new Stat(
            $"{prefix}.{row.Name}", $"{family}_{row.Family}", row.Label is { } label ? [.. common, label] : common, row.Kind, row.Help, row.Read?.Invoke(subject) ?? 0)
        {
            Latency = row.Latency?.Invoke(subject) ?? HistogramSnapshot.Empty,
            Interval = row.Interval?.Invoke(subject) ?? HistogramSnapshot.Empty,
        });
    }

    /// <summary>The page's fields, each the sum over the subjects.</summary>
    public IEnumerable<KeyValuePair<string, JsonNode?>> ReadForPage(params IReadOnlyList<T> subjects) =>
        from row in rows
        where row.Page is not null
        select KeyValuePair.Create(row.Page, (JsonNode?)subjects.Sum(row.Read!));
}

/// <summary>
/// A figure's value under both its names: Envoy's stat, <c>cluster.usersvc.upstream_rq_2xx</c>, and in Prometheus
/// <c>envoy_cluster_upstream_rq_xx</c> with labels.
/// </summary>
internal sealed record Stat(string Name, string Family, IReadOnlyList<(string Name, string Value)> Labels, StatKind Kind, string Help, double Value)
{
    public HistogramSnapshot Latency { get; init; } = HistogramSnapshot.Empty;

    public HistogramSnapshot Interval { get; init; } = HistogramSnapshot.Empty;

    /// <summary>Whether it has counted anything, or is not zero now.</summary>
    public bool IsUsed => Kind is StatKind.Histogram ? Latency.Count > 0 : Value != 0;
}
