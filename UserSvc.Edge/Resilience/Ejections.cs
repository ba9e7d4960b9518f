using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Ejected destinations get no requests for the cluster's <c>HealthCheck:Passive:ReactivationPeriod</c>, 30 s by default, times the number
/// of their ejections (Envoy's base_ejection_time). YARP's own reactivation is not used: it cannot be taken back, and one that is left
/// over would end the next ejection.
/// </summary>
internal sealed partial class Ejections(ResilienceState state, IClusterDestinationsUpdater destinations, TimeProvider time, ILogger<Ejections> logger)
{
    private static readonly TimeSpan DefaultTime = TimeSpan.FromSeconds(30);

    /// <summary>Ejects the destination, unless too large a share of the cluster is ejected already.</summary>
    public void Begin(ClusterState cluster, DestinationState destination)
    {
        var shared = state.Of(cluster);
        var record = state.Of(destination);
        var settings = shared.SettingsOf(cluster.Model);
        lock (shared.Ejecting)
        {
            Volatile.Write(ref record.Failures, 0);
            var all = cluster.DestinationsState.AllDestinations;
            var ejected = all.Count(d => d.Health.Passive is DestinationHealth.Unhealthy);
            if (destination.Health.Passive is DestinationHealth.Unhealthy || (ejected + 1) * 100 > all.Count * settings.MaxEjectionPercent)
            {
                return;
            }

            var once = cluster.Model.Config.HealthCheck?.Passive?.ReactivationPeriod ?? DefaultTime;
            // As in Envoy, good time is forgiven at the rate at which bad time is given.
            record.Ejections -= (int)Math.Clamp(time.GetElapsedTime(record.Returned) / once, 0, record.Ejections);
            record.Ejections++;
            var period = once * record.Ejections;
            period = period < settings.MaxEjectionTime ? period : settings.MaxEjectionTime;
            destination.Health.Passive = DestinationHealth.Unhealthy;
            using (ExecutionContext.SuppressFlow())
            {
                record.Ejection = time.CreateTimer(_ => End(cluster, destination), null, period, Timeout.InfiniteTimeSpan);
            }

            destinations.UpdateAvailableDestinations(cluster);
            record.EjectionsInAll++;
            Interlocked.Increment(ref shared.Ejections);
            LogEjected(logger, destination.DestinationId, cluster.ClusterId, period, settings.ConsecutiveFailures);
        }
    }

    /// <summary>Takes the destination back, if it is ejected.</summary>
    public void End(ClusterState cluster, DestinationState destination)
    {
        var record = state.Of(destination);
        lock (state.Of(cluster).Ejecting)
        {
            if (record.Ejection is not { } ejection)
            {
                return;
            }

            ejection.Dispose();
            record.Ejection = null;
            record.Returned = time.GetTimestamp();
            destination.Health.Passive = DestinationHealth.Unknown;
            destinations.UpdateAvailableDestinations(cluster);
            LogReturned(logger, destination.DestinationId, cluster.ClusterId);
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Destination} of {Cluster} is ejected for {Period}: {Failures} requests in a row have failed")]
    private static partial void LogEjected(ILogger logger, string destination, string cluster, TimeSpan period, int failures);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Destination} of {Cluster} is ejected no more")]
    private static partial void LogReturned(ILogger logger, string destination, string cluster);
}
