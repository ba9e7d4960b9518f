using System.Diagnostics.Metrics;

namespace UserSvc.Edge.Discovery;

/// <summary>The counters of each <c>source</c>, by its address as it is configured.</summary>
internal sealed class DiscoveryMetrics
{
    private const string Source = "source";

    private readonly Meter _meter;
    private readonly Counter<long> _updates;
    private readonly Counter<long> _failures;

    public DiscoveryMetrics(IMeterFactory meters)
    {
        _meter = meters.Create("UserSvc.Edge");
        _updates = _meter.CreateCounter<long>("edge.discovery.updates", "{update}", "Changes of a source's endpoints");
        _failures = _meter.CreateCounter<long>("edge.discovery.failures", "{failure}", "Failed attempts to read a source");
    }

    public void Updated(string address) => _updates.Add(1, new KeyValuePair<string, object?>(Source, address));

    public void Failed(string address) => _failures.Add(1, new KeyValuePair<string, object?>(Source, address));

    public void Observe(DiscoverySources sources) => _meter.CreateObservableGauge(
        "edge.discovery.age",
        () => sources.All.Select(s => new Measurement<double>(s.Age.TotalSeconds, new KeyValuePair<string, object?>(Source, s.Address))),
        "s",
        "Time since a source last answered; zero while it is watched");
}
