using System.Runtime.CompilerServices;
using UserSvc.Edge.Listeners;
using UserSvc.Edge.Statistics;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>What the edge keeps for a destination beside YARP's own state, and for as long.</summary>
internal sealed class DestinationResilience
{
    private int _failedProbes, _successfulProbes;
    private volatile bool _outOfService;

    public AttemptStatistics Attempts { get; } = new();

    /// <summary>Failed requests in a row.</summary>
    public Counter Failures { get; } = new();

    /// <summary>Guarded by <see cref="ClusterResilience.Ejecting"/>.</summary>
    public EjectionHistory EjectionHistory { get; } = new();

    /// <summary>Whether the destination itself says that it takes no requests: it answered its last probe with an error or refused the connection.</summary>
    public bool OutOfService => _outOfService;

    /// <returns>The successful probes in a row.</returns>
    public int CountSuccessfulProbe()
    {
        _failedProbes = 0;
        _outOfService = false;
        return ++_successfulProbes;
    }

    /// <param name="refused">Whether the destination answered with an error or refused the connection.</param>
    /// <returns>The failed probes in a row.</returns>
    public int CountFailedProbe(bool refused)
    {
        _successfulProbes = 0;
        _outOfService = refused;
        return ++_failedProbes;
    }
}

/// <summary>What the edge keeps for a cluster: the settings as read, and what its requests share.</summary>
internal sealed class ClusterResilience(TimeProvider time)
{
    private SettingsOfModel? _settings;

    /// <summary>Requests in flight, including those that wait for a retry.</summary>
    public FairLimit InFlight { get; } = new();

    public RetryBudget Budget { get; } = new(time);

    public ClusterStatistics Statistics { get; } = new();

    /// <summary>Held while an ejection begins or ends, so that two at once cannot exceed <c>Ejection.MaxPercent</c>.</summary>
    public Lock Ejecting { get; } = new();

    /// <summary>Reads the settings again when a reload has given the cluster another model.</summary>
    public ClusterSettings GetSettings(ClusterModel model)
    {
        var settings = Volatile.Read(ref _settings);
        if (settings?.Model != model)
        {
            Volatile.Write(ref _settings, settings = new(model, ClusterSettings.Read(model.Config.Metadata)));
        }

        return settings.Settings;
    }

    private sealed record SettingsOfModel(ClusterModel Model, ClusterSettings Settings);
}

/// <summary>Finds the edge's state by YARP's. An entry lives as long as the YARP object that it belongs to.</summary>
internal sealed class ResilienceState(TimeProvider time)
{
    private readonly ConditionalWeakTable<ClusterState, ClusterResilience> _clusters = [];
    private readonly ConditionalWeakTable<DestinationState, DestinationResilience> _destinations = [];

    public ClusterResilience Get(ClusterState cluster) => _clusters.TryGetValue(cluster, out var known) ? known : _clusters.GetValue(cluster, _ => new(time));

    public DestinationResilience Get(DestinationState destination) => _destinations.GetOrCreateValue(destination);
}
