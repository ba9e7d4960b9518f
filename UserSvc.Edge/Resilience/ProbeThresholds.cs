using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Judges active probes. A probe without an answer may be the network's or the machine's fault: so many in a row take a destination out.
/// One that is answered by anything but 2xx does so at once, as in Envoy, and so does a refused connection: nobody listens there.
/// </summary>
internal sealed class ProbeThresholds(ResilienceState state, IDestinationHealthUpdater health) : IActiveHealthCheckPolicy
{
    public string Name => "Thresholds";

    public void ProbingCompleted(ClusterState cluster, IReadOnlyList<DestinationProbingResult> probingResults)
    {
        var settings = state.Of(cluster).SettingsOf(cluster.Model);
        health.SetActive(cluster, [.. probingResults.Select(r => new NewActiveDestinationHealth(r.Destination, Judge(cluster, r, settings)))]);
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
            health.SetPassive(cluster, result.Destination, DestinationHealth.Unknown, TimeSpan.Zero);
            return DestinationHealth.Healthy;
        }

        record.SuccessfulProbes = 0;
        record.OutOfService = result.Response is not null || result.Exception is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError };
        return record.OutOfService || ++record.FailedProbes >= settings.UnhealthyThreshold ? DestinationHealth.Unhealthy : before;
    }
}
