using System.Diagnostics.Metrics;
using UserSvc.Edge.AccessLog;
using UserSvc.Edge.Discovery;
using UserSvc.Edge.Resilience;

namespace UserSvc.Edge.Admin;

/// <summary>
/// Publishes figures to the meter. None is per destination: pods come and go, and each would add series for as long as the process lives.
/// </summary>
internal sealed class EdgeMetrics(IMeterFactory meters, ClusterStatuses clusters, DiscoverySources sources, AccessLogWriter accessLog) : IHostedService
{
    public Task StartAsync(CancellationToken cancellationToken)
    {
        Publish(Figures.Clusters, clusters.GetAll, cluster => [new("cluster", cluster.Name)]);
        Publish(Figures.Sources, () => sources.All, source => [new("source", source.Address)]);
        Publish(Figures.AccessLog, () => [accessLog], _ => []);
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private void Publish<T>(FigureTable<T> table, Func<IEnumerable<T>> subjects, Func<T, KeyValuePair<string, object?>[]> tags)
    {
        var meter = meters.Create("UserSvc.Edge");
        foreach (var rows in table.Rows.Where(row => row.Instrument is not null).GroupBy(row => row.Instrument!.Value))
        {
            var ((name, unit), help) = (rows.Key, rows.First().Help);
            if (rows.First().Kind is StatKind.Counter)
            {
                meter.CreateObservableCounter(name, () => Observe(value => (long)value), unit, help);
            }
            else if (unit == "s")
            {
                meter.CreateObservableGauge(name, () => Observe(value => value), unit, help);
            }
            else
            {
                meter.CreateObservableGauge(name, () => Observe(value => (long)value), unit, help);
            }

            IEnumerable<Measurement<TValue>> Observe<TValue>(Func<double, TValue> convert)
                where TValue : struct =>
                from subject in subjects()
                from row in rows
                let all = row.Label is { } label ? [.. tags(subject), new(label.Name, label.Value)] : tags(subject)
                select new Measurement<TValue>(convert(row.Read!(subject)), all);
        }
    }
}
