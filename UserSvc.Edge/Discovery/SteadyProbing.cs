using System.Runtime.CompilerServices;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Discovery;

/// <summary>
/// Stands before YARP's active probing, which waits a whole interval anew whenever a cluster changes: while its instances come and go more
/// often than that, as in a rollout, none of them would ever be probed. It hears only of changes to the probing itself.
/// </summary>
internal sealed class SteadyProbing(IClusterChangeListener probing) : IClusterChangeListener
{
    private readonly ConditionalWeakTable<ClusterState, StrongBox<ActiveHealthCheckConfig?>> _known = [];

    /// <summary>Takes the place of the only listener that YARP itself registers.</summary>
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
