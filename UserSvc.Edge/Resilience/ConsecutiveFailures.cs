using Microsoft.AspNetCore.Http.Features;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Outlier detection (Envoy's consecutive_5xx): a destination that fails so many requests in a row is ejected.
/// </summary>
internal sealed class ConsecutiveFailures(ResilienceState state, Ejections ejections) : IPassiveHealthCheckPolicy
{
    public string Name => "ConsecutiveFailures";

    public void RequestProxied(HttpContext context, ClusterState cluster, DestinationState destination)
    {
        var outcome = context.Features.GetRequiredFeature<Tries>().Outcome;
        if (destination.Health.Passive is DestinationHealth.Unhealthy || outcome is TryOutcome.Nothing or TryOutcome.Overloaded)
        {
            return;
        }

        var record = state.Of(destination);
        if (!outcome.IsFailure())
        {
            // Read first: a write each time would have the cores fight over the line.
            if (Volatile.Read(ref record.Failures) > 0)
            {
                Volatile.Write(ref record.Failures, 0);
            }
        }
        else if (Interlocked.Increment(ref record.Failures) >= state.Of(cluster).SettingsOf(cluster.Model).ConsecutiveFailures)
        {
            ejections.Begin(cluster, destination);
        }
    }
}
