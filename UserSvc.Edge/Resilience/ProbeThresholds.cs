using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Judges active probes. Silence may be the network's or this machine's fault: only several unanswered probes in a row take a
/// destination out. Any answer other than 2xx does so at once, as in Envoy, and so does a refused connection: nothing listens there.
/// </summary>
internal sealed class ProbeThresholds(ResilienceState state, IDestinationHealthUpdater health, IClusterDestinationsUpdater destinations, Ejections ejections)
    : IActiveHealthCheckPolicy
{
    public string Name => "Thresholds";

    public void ProbingCompleted(ClusterState cluster, IReadOnlyList<DestinationProbingResult> probingResults)
    {
        var settings = state.Get(cluster).GetSettings(cluster.Model);
        var judged = new List<NewActiveDestinationHealth>();
        var changed = false;
        foreach (var result in probingResults)
        {
            var destination = state.Get(result.Destination);
            var before = destination.OutOfService;
            judged.Add(new(result.Destination, Judge(cluster, result, destination, settings)));
            changed |= destination.OutOfService != before;
        }

        health.SetActive(cluster, judged);
        if (changed)
        {
            // YARP updates only when the health has changed; silence that turns into a refusal does not change it.
            destinations.UpdateAvailableDestinations(cluster);
        }
    }

    private DestinationHealth Judge(ClusterState cluster, DestinationProbingResult result, DestinationResilience destination, ClusterSettings settings)
    {
        var before = result.Destination.Health.Active;
        if (result.Response?.IsSuccessStatusCode != true)
        {
            var refused = result.Response is not null || result.Exception is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError };
            return destination.CountFailedProbe(refused) >= settings.UnhealthyThreshold || refused ? DestinationHealth.Unhealthy : before;
        }

        var successes = destination.CountSuccessfulProbe();
        if (before is not DestinationHealth.Unhealthy)
        {
            return DestinationHealth.Healthy;
        }

        if (successes < settings.HealthyThreshold)
        {
            return before;
        }

        // It was probably restarted: do not make it sit out an earlier ejection.
        ejections.End(cluster, result.Destination);
        return DestinationHealth.Healthy;
    }
}
