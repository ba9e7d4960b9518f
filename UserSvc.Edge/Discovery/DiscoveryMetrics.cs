using System.Diagnostics.Metrics;

namespace UserSvc.Edge.Discovery;

/// <summary>Each instrument has the tag <c>source</c>: the source's address as configured.</summary>
internal sealed class DiscoveryMetrics
{
    private readonly Meter _meter;
    private readonly Counter<long> _updates;
    private readonly Counter<long> _failures;

    public DiscoveryMetrics(IMeterFactory meters)
    {
        _meter = meters.Create("UserSvc.Edge");
        _updates = _meter.CreateCounter<long>("edge.discovery.updates", "{update}", "Changes of a source's endpoints");
        _failures = _meter.CreateCounter<long>("edge.discovery.failures", "{failure}", "Failed refreshes of a source");
    }

    public void Updated(string address) => _updates.Add(1, Tag(address));

    public void Failed(string address) => _failures.Add(1, Tag(address));

    public void Observe(DiscoverySources sources) => _meter.CreateObservableGauge(
        "edge.discovery.age",
        () => sources.All.Select(s => new Measurement<double>(s.Age.TotalSeconds, Tag(s.Address))),
        "s",
        "Time since a source last answered; zero while it is watched");

    private static KeyValuePair<string, object?> Tag(string address) => new("source", address);
}
