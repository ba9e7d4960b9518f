using UserSvc.Edge.Discovery;
using UserSvc.Edge.Listeners;
using UserSvc.Edge.Resilience;

namespace UserSvc.Edge.Admin;

/// <summary>Reads every figure of the edge.</summary>
internal sealed class EdgeStats(ClusterStatuses clusters, OpenListeners listeners, DiscoverySources sources, ServerState server)
{
    public async Task<List<Stat>> CollectAsync(CancellationToken cancellationToken)
    {
        var status = await server.ReadAsync(cancellationToken);
        var all = clusters.GetAll();
        return
        [
            .. all.SelectMany(Figures.Clusters.Read),
            .. all.SelectMany(c => c.Destinations).SelectMany(Figures.Destinations.Read),
            .. listeners.All.SelectMany(Figures.Listeners.Read),
            .. sources.All.SelectMany(Figures.Sources.Read),
            .. Figures.Server.Read((status, server.Uptime, listeners.All.Sum(l => l.Statistics.OpenConnections))),
        ];
    }
}
