using Microsoft.Extensions.Primitives;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.ServiceDiscovery;

namespace UserSvc.Edge.Discovery;

/// <summary>
/// Replaces a source's address by the endpoints the source last knew. It never waits and never throws: YARP resolves all clusters at start
/// and whenever one of them changes, and an exception would end the process or hide a change for minutes.
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
            if (sources.GetOrStart(configured.Address) is not { } source)
            {
                resolved[name] = configured;
                continue;
            }

            var (endpoints, token) = source.GetSnapshot();
            changed.Add(token);
            foreach (var endpoint in endpoints)
            {
                // An instance known to two sources is one destination.
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
