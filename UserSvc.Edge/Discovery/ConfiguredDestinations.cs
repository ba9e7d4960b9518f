namespace UserSvc.Edge.Discovery;

/// <summary>
/// A cluster without a configured destination never gets one, so the configuration check refuses it. The shipped settings name none:
/// configuration sources are merged, and an operator could not remove a shipped destination.
/// </summary>
internal static class ConfiguredDestinations
{
    public static IEnumerable<string> Errors(IConfigurationSection reverseProxy)
    {
        var clusters = reverseProxy.GetSection("Clusters").GetChildren().ToList();
        return clusters.Count == 0
            ? [$"{reverseProxy.Path}:Clusters is empty. Is appsettings.json in the content root, by default the working directory {Environment.CurrentDirectory}?"]
            : clusters.SelectMany(ClusterErrors);
    }

    private static IEnumerable<string> ClusterErrors(IConfigurationSection cluster)
    {
        var destinations = cluster.GetSection("Destinations").GetChildren().ToList();
        var variable = $"{cluster.Path}:Destinations:<name>:Address".Replace(":", "__", StringComparison.Ordinal);
        return destinations.Count == 0
            ? [$"The cluster {cluster.Key} has no destination. Set {variable}, once for each instance, to an address such as http://host:8080."]
            : destinations.Select(AddressError).OfType<string>();
    }

    private static string? AddressError(IConfigurationSection destination)
    {
        try
        {
            DestinationAddress.Parse(destination["Address"]);
            return null;
        }
        catch (FormatException mistake)
        {
            return $"{destination.Path}:Address {mistake.Message}";
        }
    }
}
