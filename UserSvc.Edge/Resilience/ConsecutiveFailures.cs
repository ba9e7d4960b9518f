using Microsoft.AspNetCore.Http.Features;
using UserSvc.Edge.Statistics;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>Outlier detection (Envoy's consecutive_5xx): ejects a destination that fails this many requests in a row.</summary>
internal sealed class ConsecutiveFailures(ResilienceState state, OutlierEjection ejection) : IPassiveHealthCheckPolicy
{
    public string Name => "ConsecutiveFailures";

    public void RequestProxied(HttpContext context, ClusterState cluster, DestinationState destination)
    {
        var attempts = context.Features.GetRequiredFeature<Attempts>();
        if (destination.Health.Passive is DestinationHealth.Unhealthy || attempts.Outcome is AttemptOutcome.Nothing or AttemptOutcome.Overloaded)
        {
            return;
        }

        var failures = state.Get(destination).Failures;
        if (!attempts.Outcome.IsFailure())
        {
            failures.Reset();
        }
        else if (failures.Increment() >= attempts.Settings.ConsecutiveFailures)
        {
            ejection.Begin(cluster, destination);
        }
    }
}
