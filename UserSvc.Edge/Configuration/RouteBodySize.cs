using System.Globalization;
using Yarp.ReverseProxy.Configuration;

namespace UserSvc.Edge.Configuration;

/// <summary>
/// YARP 2.3 leaves <c>MaxRequestBodySize</c> out when it compares a route with the one before, so that a change of it alone would not
/// be applied. Metadata is compared.
/// </summary>
internal sealed class RouteBodySize : IProxyConfigFilter
{
    public ValueTask<RouteConfig> ConfigureRouteAsync(RouteConfig route, ClusterConfig? cluster, CancellationToken cancel) =>
        new(route.MaxRequestBodySize is not { } size ? route : route with
        {
            Metadata = new Dictionary<string, string>(route.Metadata ?? new Dictionary<string, string>())
            {
                [nameof(RouteConfig.MaxRequestBodySize)] = size.ToString(CultureInfo.InvariantCulture),
            },
        });

    public ValueTask<ClusterConfig> ConfigureClusterAsync(ClusterConfig cluster, CancellationToken cancel) => new(cluster);
}
