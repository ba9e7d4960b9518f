using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Outlier ejection (Envoy's consecutive_5xx): a destination that fails so many requests in a row gets none for the cluster's
/// <c>HealthCheck:Passive:ReactivationPeriod</c>, 30 s by default, times the number of its ejections.
/// </summary>
internal sealed partial class ConsecutiveFailures(ResilienceState state, ResilienceMetrics metrics, IDestinationHealthUpdater health, TimeProvider time, ILogger<ConsecutiveFailures> logger)
    : IPassiveHealthCheckPolicy
{
    private static readonly TimeSpan DefaultTime = TimeSpan.FromSeconds(30);

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
            Eject(cluster, destination, record);
        }
    }

    /// <returns>Null for what tells nothing of the destination: an overload, a client that left.</returns>
    private static bool? Failed(HttpContext context) => context.GetForwarderErrorFeature()?.Error switch
    {
        null => context.Response.StatusCode < StatusCodes.Status500InternalServerError ? false
            : context.Response.Headers.ContainsKey(Overload.Header) ? null
            : true,
        ForwarderError.Request or ForwarderError.RequestTimedOut or ForwarderError.RequestBodyDestination
            or ForwarderError.ResponseHeaders or ForwarderError.ResponseBodyDestination => true,
        _ when context.Features.Get<Tries>()?.TimedOut == true || RouteTimeout.HasPassed(context) => true,
        _ => null,
    };

    private void Eject(ClusterState cluster, DestinationState destination, DestinationRecord record)
    {
        var shared = state.Of(cluster);
        var settings = shared.SettingsOf(cluster.Model);
        lock (shared.Ejecting)
        {
            record.Failures = 0;
            var all = cluster.DestinationsState.AllDestinations;
            var ejected = all.Count(d => d.Health.Passive is DestinationHealth.Unhealthy);
            if (destination.Health.Passive is DestinationHealth.Unhealthy || (ejected + 1) * 100 > all.Count * settings.MaxEjectionPercent)
            {
                return;
            }

            var once = cluster.Model.Config.HealthCheck?.Passive?.ReactivationPeriod ?? DefaultTime;
            var now = time.GetTimestamp();
            if (record.Ejections > 0)
            {
                // As in Envoy, good time is forgiven at the rate at which bad time is given.
                record.Ejections -= (int)Math.Min(record.Ejections, time.GetElapsedTime(record.EjectedUntil, now) / once);
            }

            record.Ejections++;
            var period = once * record.Ejections;
            period = period < settings.MaxEjectionTime ? period : settings.MaxEjectionTime;
            record.EjectedUntil = now + (long)(period.TotalSeconds * time.TimestampFrequency);
            health.SetPassive(cluster, destination, DestinationHealth.Unhealthy, period);
            metrics.Ejected(cluster.ClusterId, destination.DestinationId);
            LogEjected(logger, destination.DestinationId, cluster.ClusterId, period, settings.ConsecutiveFailures);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Destination} of {Cluster} is ejected for {Period}: {Failures} requests in a row have failed")]
    private static partial void LogEjected(ILogger logger, string destination, string cluster, TimeSpan period, int failures);
}
