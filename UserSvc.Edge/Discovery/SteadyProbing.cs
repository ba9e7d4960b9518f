using System.Runtime.CompilerServices;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Discovery;

/// <summary>
/// Keeps YARP's active probing running while a cluster's destinations change. YARP restarts the probing interval at every change of a
/// cluster: instances that come and go faster than that, as in a rollout, would never be probed. This passes on only changes to the probing.
/// </summary>
internal sealed class SteadyProbing(IClusterChangeListener probing) : IClusterChangeListener
{
    private readonly ConditionalWeakTable<ClusterState, StrongBox<ActiveHealthCheckConfig?>> _known = [];

    /// <summary>Replaces the only listener YARP registers.</summary>
    public static void Replace(IServiceCollection services)
    {
        services.Remove(services.Single(s => s.ServiceType == typeof(IClusterChangeListener)));
        services.AddSingleton<IClusterChangeListener>(s => new SteadyProbing((IClusterChangeListener)s.GetRequiredService<IActiveHealthCheckMonitor>()));
    }

    public void OnClusterAdded(ClusterState cluster)
    {
        _known.AddOrUpdate(cluster, new(Config(cluster)));
        probing.OnClusterAdded(cluster);
    }

    public void OnClusterChanged(ClusterState cluster)
    {
        if (!_known.TryGetValue(cluster, out var known) || known.Value != Config(cluster))
        {
            _known.AddOrUpdate(cluster, new(Config(cluster)));
            probing.OnClusterChanged(cluster);
        }
    }

    public void OnClusterRemoved(ClusterState cluster) => probing.OnClusterRemoved(cluster);

    private static ActiveHealthCheckConfig? Config(ClusterState cluster) => cluster.Model.Config.HealthCheck?.Active;
}
