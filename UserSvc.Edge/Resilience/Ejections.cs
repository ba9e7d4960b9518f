using Microsoft.AspNetCore.Http.Features;
using UserSvc.Edge.Statistics;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>Outlier detection (Envoy's consecutive_5xx): ejects a destination that fails this many requests in a row.</summary>
internal sealed class ConsecutiveFailures(ResilienceState state, Ejections ejections) : IPassiveHealthCheckPolicy
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
            ejections.Begin(cluster, destination);
        }
    }
}

/// <summary>
/// An ejected destination gets no requests for the cluster's <c>HealthCheck:Passive:ReactivationPeriod</c>, 30 s by default, times the
/// number of its ejections (Envoy's base_ejection_time). YARP's own reactivation cannot be cancelled: one left over from an ejection
/// that ended early would cut the next one short.
/// </summary>
internal sealed partial class Ejections(
    ResilienceState state, IClusterDestinationsUpdater destinations, TimeProvider time, ILogger<Ejections> logger)
{
    private static readonly TimeSpan DefaultPeriod = TimeSpan.FromSeconds(30);

    /// <summary>Ejects the destination, unless too large a share of the cluster is ejected already.</summary>
    public void Begin(ClusterState cluster, DestinationState destination)
    {
        var shared = state.Get(cluster);
        var own = state.Get(destination);
        var settings = shared.GetSettings(cluster.Model);
        lock (shared.Ejecting)
        {
            own.Failures.Reset();
            var all = cluster.DestinationsState.AllDestinations;
            var ejected = all.Count(d => d.Health.Passive is DestinationHealth.Unhealthy);
            if (destination.Health.Passive is DestinationHealth.Unhealthy || (ejected + 1) * 100 > all.Count * settings.MaxEjectionPercent)
            {
                return;
            }

            destination.Health.Passive = DestinationHealth.Unhealthy;
            var length = own.EjectionHistory.Begin(
                cluster.Model.Config.HealthCheck?.Passive?.ReactivationPeriod ?? DefaultPeriod, settings.MaxEjectionTime, time, () => End(cluster, destination));
            destinations.UpdateAvailableDestinations(cluster);
            shared.Statistics.EjectionCount.Increment();
            LogEjected(logger, destination.DestinationId, cluster.ClusterId, length, settings.ConsecutiveFailures);
        }
    }

    /// <summary>Returns the destination to service if it is ejected.</summary>
    public void End(ClusterState cluster, DestinationState destination)
    {
        lock (state.Get(cluster).Ejecting)
        {
            if (state.Get(destination).EjectionHistory.End(time))
            {
                destination.Health.Passive = DestinationHealth.Unknown;
                destinations.UpdateAvailableDestinations(cluster);
                LogReturned(logger, destination.DestinationId, cluster.ClusterId);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Destination} of {Cluster} is ejected for {Period}: {Failures} requests in a row have failed")]
    private static partial void LogEjected(ILogger logger, string destination, string cluster, TimeSpan period, int failures);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Destination} of {Cluster} is no longer ejected")]
    private static partial void LogReturned(ILogger logger, string destination, string cluster);
}

/// <summary>The ejections of one destination. Not thread-safe, except for <see cref="Total"/>.</summary>
internal sealed class EjectionHistory
{
    private int _unforgiven;
    private long _ended;
    private ITimer? _timer;

    public Counter Total { get; } = new();

    /// <param name="period">The length of a first ejection. A second one is twice as long, and so on.</param>
    /// <param name="longest">The maximum length.</param>
    /// <param name="time">The clock.</param>
    /// <param name="end">Called when the ejection is over.</param>
    /// <returns>How long the ejection lasts.</returns>
    public TimeSpan Begin(TimeSpan period, TimeSpan longest, TimeProvider time, Action end)
    {
        // As in Envoy, each period without an ejection forgives one.
        _unforgiven -= (int)Math.Clamp(time.GetElapsedTime(_ended) / period, 0, _unforgiven);
        _unforgiven++;
        var length = period * _unforgiven < longest ? period * _unforgiven : longest;
        using (ExecutionContext.SuppressFlow())
        {
            _timer = time.CreateTimer(_ => end(), null, length, Timeout.InfiniteTimeSpan);
        }

        Total.Increment();
        return length;
    }

    /// <returns>Whether there was an ejection to end.</returns>
    public bool End(TimeProvider time)
    {
        if (_timer is null)
        {
            return false;
        }

        _timer.Dispose();
        _timer = null;
        _ended = time.GetTimestamp();
        return true;
    }
}
