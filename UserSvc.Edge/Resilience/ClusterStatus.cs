using UserSvc.Edge.Statistics;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>Finds the status of every cluster, sorted by name.</summary>
internal sealed class ClusterStatuses(IProxyStateLookup proxy, ResilienceState state)
{
    public IReadOnlyList<ClusterStatus> GetAll() =>
        [.. proxy.GetClusters().OrderBy(c => c.ClusterId, StringComparer.Ordinal).Select(c => new ClusterStatus(c, state))];
}

/// <summary>A cluster now: what YARP and the edge know of it, together.</summary>
internal sealed class ClusterStatus(ClusterState cluster, ResilienceState state)
{
    private readonly ClusterResilience _resilience = state.Get(cluster);

    public string Name => cluster.ClusterId;

    public string? Policy => cluster.Model.Config.LoadBalancingPolicy;

    public ClusterStatistics Statistics => _resilience.Statistics;

    public AttemptStatistics Attempts => Statistics.Attempts;

    /// <summary>Requests, each once however many attempts it takes.</summary>
    public long InFlight => _resilience.InFlight.Taken;

    public int MaxRequests => _resilience.GetSettings(cluster.Model).MaxRequests;

    /// <summary>Sorted by name.</summary>
    public IReadOnlyList<DestinationStatus> Destinations { get; } = GetDestinations(cluster, state);

    public int Ejected => Destinations.Count(d => d.IsEjected);

    /// <summary>Destinations that receive requests and are healthy: without the unhealthy ones that receive some in a panic.</summary>
    public int Healthy => Destinations.Count(d => d.Receives && d.IsHealthy);

    /// <summary>Whether unhealthy destinations receive requests, too.</summary>
    public bool Panics => Destinations.Any(d => d.Receives && !d.IsHealthy);

    private static List<DestinationStatus> GetDestinations(ClusterState cluster, ResilienceState state)
    {
        var destinations = cluster.DestinationsState;
        var receiving = destinations.AvailableDestinations.ToHashSet();
        return
        [
            .. destinations.AllDestinations.OrderBy(d => d.DestinationId, StringComparer.Ordinal)
                .Select(d => new DestinationStatus(cluster, d, state.Get(d), receiving.Contains(d))),
        ];
    }
}

/// <summary>A destination now.</summary>
internal sealed class DestinationStatus(ClusterState cluster, DestinationState destination, DestinationResilience resilience, bool receives)
{
    public string Cluster => cluster.ClusterId;

    public string Name => destination.DestinationId;

    public Uri Address => field ??= new(destination.Model.Config.Address);

    /// <summary>Host and port, such as <c>10.0.0.1:8080</c>.</summary>
    public string Authority => $"{Address.Host}:{Address.Port}";

    public AttemptStatistics Attempts => resilience.Attempts;

    public int InFlight => destination.ConcurrentRequestCount;

    public long EjectionCount => resilience.EjectionHistory.Total.Value;

    /// <summary>Whether load balancing may choose it.</summary>
    public bool Receives => receives;

    /// <summary>Whether its last probes failed; never after probing was switched off.</summary>
    public bool FailsProbes => IsProbed && destination.Health.Active is DestinationHealth.Unhealthy;

    /// <summary>Whether failed requests have ejected it.</summary>
    public bool IsEjected => destination.Health.Passive is DestinationHealth.Unhealthy;

    /// <summary>Whether it waits for its first probe.</summary>
    public bool IsPending => IsProbed && destination.Health.Active is DestinationHealth.Unknown;

    public bool IsHealthy => !FailsProbes && !IsEjected;

    /// <summary>The page's word for its health: the worst that applies.</summary>
    public string Health => resilience.OutOfService ? "outOfService" : FailsProbes ? "unhealthy" : IsEjected ? "ejected" : IsPending ? "unknown" : "healthy";

    private bool IsProbed => cluster.Model.Config.HealthCheck?.Active?.Enabled == true;
}
