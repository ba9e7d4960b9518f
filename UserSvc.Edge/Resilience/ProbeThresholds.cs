using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Judges active probes. A probe without an answer may be the network's or the machine's fault: so many in a row take a destination out.
/// One that is answered by anything but 2xx does so at once, as in Envoy, and so does a refused connection: nobody listens there.
/// </summary>
internal sealed class ProbeThresholds(ResilienceState state, IDestinationHealthUpdater health, IClusterDestinationsUpdater destinations, Ejections ejections)
    : IActiveHealthCheckPolicy
{
    public string Name => "Thresholds";

    public void ProbingCompleted(ClusterState cluster, IReadOnlyList<DestinationProbingResult> probingResults)
    {
        var settings = state.Of(cluster).SettingsOf(cluster.Model);
        var judged = new List<NewActiveDestinationHealth>();
        var changed = false;
        foreach (var result in probingResults)
        {
            var record = state.Of(result.Destination);
            var before = record.OutOfService;
            judged.Add(new(result.Destination, Judge(cluster, result, settings)));
            changed |= record.OutOfService != before;
        }

        health.SetActive(cluster, judged);
        if (changed)
        {
            // YARP asks anew only when a health has changed, and silence may become a refusal without that.
            destinations.UpdateAvailableDestinations(cluster);
        }
    }

    private DestinationHealth Judge(ClusterState cluster, DestinationProbingResult result, ClusterSettings settings)
    {
        var record = state.Of(result.Destination);
        var before = result.Destination.Health.Active;
        if (result.Response?.IsSuccessStatusCode == true)
        {
            record.FailedProbes = 0;
            record.OutOfService = false;
            if (before is not DestinationHealth.Unhealthy)
            {
                return DestinationHealth.Healthy;
            }

            if (++record.SuccessfulProbes < settings.HealthyThreshold)
            {
                return before;
            }

            // It is back, restarted most likely: it does not sit out an ejection of before.
            ejections.End(cluster, result.Destination);
            return DestinationHealth.Healthy;
        }

        record.SuccessfulProbes = 0;
        record.OutOfService = result.Response is not null || result.Exception is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError };
        return record.OutOfService || ++record.FailedProbes >= settings.UnhealthyThreshold ? DestinationHealth.Unhealthy : before;
    }
}
