using Microsoft.Extensions.Primitives;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.ServiceDiscovery;

namespace UserSvc.Edge.Discovery;

/// <summary>
/// Puts the endpoints that a source last knew in the place of its address. It only reads what is known: YARP asks it at start and at
/// every change, one cluster's change for all clusters, and a throw would end the process or leave a change unseen for minutes.
/// </summary>
internal sealed class DiscoveryResolver(DiscoverySources sources) : IDestinationResolver
{
    public ValueTask<ResolvedDestinationCollection> ResolveDestinationsAsync(
        IReadOnlyDictionary<string, DestinationConfig> destinations, CancellationToken cancellationToken)
    {
        var resolved = new Dictionary<string, DestinationConfig>(StringComparer.OrdinalIgnoreCase);
        var changed = new List<IChangeToken>();
        foreach (var (name, configured) in destinations)
        {
            if (sources.Find(configured.Address) is not { } source)
            {
                resolved[name] = configured;
                continue;
            }

            var (endpoints, token) = source.Read();
            changed.Add(token);
            foreach (var endpoint in endpoints)
            {
                // Two sources may know the same instance: it is one destination.
                resolved.TryAdd(endpoint.Key, configured with
                {
                    Address = $"{source.Scheme}://{endpoint.Address}",
                    Host = configured.Host ?? source.Host,
                    Health = Uri.TryCreate(configured.Health, UriKind.Absolute, out var health)
                        ? new UriBuilder(health) { Host = endpoint.Address.Address.ToString() }.ToString()
                        : null,
                });
            }
        }

        return new(new ResolvedDestinationCollection(resolved, changed is [] ? null : new CompositeChangeToken(changed)));
    }
}
