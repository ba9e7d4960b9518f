using Microsoft.Extensions.Configuration.Json;
using UserSvc.ServiceDefaults;
using Yarp.ReverseProxy.Configuration;

namespace UserSvc.Edge.Configuration;

/// <summary>
/// Checks a configuration as a whole, before the edge starts with it or reloads it. Two passes: the second needs services that cannot be
/// built from invalid settings.
/// </summary>
internal sealed class ConfigurationCheck(KnownSettings settings)
{
    private static readonly string[] ForeignSections = ["$schema", "AllowedHosts", "Logging"];

    /// <exception cref="InvalidConfigurationException">The message names every wrong setting.</exception>
    public void CheckSettings(IConfigurationRoot configuration)
    {
        Require([.. UnknownSections(configuration), .. settings.Errors(configuration)]);
        Require([.. KestrelLimits.Errors(configuration), .. ReplacedLimits(configuration)]);
        foreach (var section in settings.Sections)
        {
            Require([.. section.Errors?.Invoke(configuration.GetSection(section.Path)) ?? []]);
        }

        Require([.. RouteErrors(configuration.GetSection("ReverseProxy"))]);
    }

    /// <summary>Lets YARP check its section: it rejects, for example, an unknown policy.</summary>
    /// <exception cref="InvalidConfigurationException">YARP's messages, one per line.</exception>
    public static async Task CheckProxyAsync(IConfiguration configuration, IConfigValidator validator)
    {
        // YARP's reader is not public; only its services can create it.
        var services = new ServiceCollection();
        services.AddLogging().AddReverseProxy().LoadFromConfig(configuration.GetSection("ReverseProxy"));
        await using var provider = services.BuildServiceProvider();
        var read = provider.GetRequiredService<IProxyConfigProvider>().GetConfig();
        var errors = new List<Exception>();
        foreach (var route in read.Routes)
        {
            errors.AddRange(await validator.ValidateRouteAsync(route));
        }

        foreach (var cluster in read.Clusters)
        {
            errors.AddRange(await validator.ValidateClusterAsync(cluster));
        }

        Require([.. errors.Select(e => e.Message)]);
    }

    private static void Require(List<string> errors)
    {
        if (errors.Count > 0)
        {
            throw new InvalidConfigurationException(errors);
        }
    }

    // Only in files: the environment holds many variables of other programs.
    private IEnumerable<string> UnknownSections(IConfigurationRoot configuration) =>
        from file in configuration.Providers.OfType<JsonConfigurationProvider>()
        from key in file.GetChildKeys([], null).Distinct(StringComparer.OrdinalIgnoreCase)
        where !settings.Roots.Contains(key) && !ForeignSections.Contains(key, StringComparer.OrdinalIgnoreCase)
            && !key.StartsWith("OTEL_", StringComparison.OrdinalIgnoreCase)
        select $"{key} in {file.Source.Path} is not a known section. The sections are {string.Join(", ", settings.Roots.Concat(ForeignSections).Order(StringComparer.Ordinal))}.";

    private static IEnumerable<string> ReplacedLimits(IConfiguration configuration) => configuration["Kestrel:Limits:MaxConcurrentConnections"] is null
        ? []
        : ["Kestrel:Limits:MaxConcurrentConnections is not used, because Kestrel does not count every connection that ends; set Edge:Connections:Max."];

    // YARP accepts these, and answers 503 for a route without a cluster.
    private static IEnumerable<string> RouteErrors(IConfigurationSection reverseProxy)
    {
        var routes = reverseProxy.GetSection("Routes").GetChildren().ToList();
        var clusters = reverseProxy.GetSection("Clusters").GetChildren().Select(c => c.Key).ToList();
        return routes.Count == 0
            ? [$"{reverseProxy.Path}:Routes is empty. Is appsettings.json in the content root, by default the working directory {Environment.CurrentDirectory}?"]
            : from route in routes
              where !clusters.Contains(route["ClusterId"] ?? "", StringComparer.OrdinalIgnoreCase)
              select $"{route.Path}:ClusterId is not a known cluster: {route["ClusterId"]}. The clusters are {string.Join(", ", clusters)}.";
    }
}
