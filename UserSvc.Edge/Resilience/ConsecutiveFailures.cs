using Yarp.ReverseProxy.Forwarder;
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
        if (destination.Health.Passive is DestinationHealth.Unhealthy || Failed(context) is not { } failed)
        {
            return;
        }

        var record = state.Of(destination);
        if (!failed)
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

    /// <returns>Null for what tells nothing of the destination: an overload, a client that left or is slow with its body.</returns>
    private static bool? Failed(HttpContext context) => context.GetForwarderErrorFeature() switch
    {
        null => context.Response.StatusCode < StatusCodes.Status500InternalServerError ? false
            : context.Response.Headers.ContainsKey(Overload.Header) ? null
            : true,
        { Error: ForwarderError.Request or ForwarderError.RequestBodyDestination or ForwarderError.ResponseHeaders or ForwarderError.ResponseBodyDestination } => true,
        { Error: ForwarderError.RequestTimedOut } failure when RetryRules.ReasonOf(failure) is RetryReason.ConnectFailure => true,
        { Error: ForwarderError.RequestTimedOut or ForwarderError.RequestCanceled } failure
            when context.Features.Get<Tries>() is { IsSent: true } tries
                && (failure.Error is ForwarderError.RequestTimedOut || tries.TimedOut || RouteTimeout.HasPassed(context)) => true,
        _ => null,
    };
}
