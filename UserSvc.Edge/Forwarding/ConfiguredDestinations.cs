using UserSvc.Edge.Discovery;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// A cluster without a configured destination never gets one, whatever is discovered: that is a mistake to report at start. The
/// configuration as shipped has none, because sources of configuration are merged and one of its own could not be taken away.
/// </summary>
internal static class ConfiguredDestinations
{
    public static void Require(IConfigurationSection reverseProxy)
    {
        var clusters = reverseProxy.GetSection("Clusters").GetChildren().ToList();
        if (clusters.Count == 0)
        {
            throw new InvalidOperationException(
                $"{reverseProxy.Path}:Clusters is empty. Is appsettings.json in the content root, by default the working directory {Environment.CurrentDirectory}?");
        }

        foreach (var cluster in clusters)
        {
            var destinations = cluster.GetSection("Destinations").GetChildren().ToList();
            if (destinations.Count == 0)
            {
                var variable = $"{cluster.Path}:Destinations:<name>:Address".Replace(":", "__", StringComparison.Ordinal);
                throw new InvalidOperationException($"The cluster {cluster.Key} has no destination. Set {variable}, once for each instance, to an address such as http://host:8080.");
            }

            foreach (var destination in destinations)
            {
                try
                {
                    DestinationAddress.Parse(destination["Address"]);
                }
                catch (FormatException mistake)
                {
                    throw new InvalidOperationException($"{destination.Path}:Address {mistake.Message}", mistake);
                }
            }
        }
    }
}
