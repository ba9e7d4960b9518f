using System.Reflection;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration.Json;
using UserSvc.Edge.Forwarding;
using Yarp.ReverseProxy.Configuration;

namespace UserSvc.Edge.Configuration;

/// <summary>Whether a configuration as a whole can be used: before the start, and before a changed one takes the place of another.</summary>
internal sealed class ConfigurationCheck(KnownSettings settings, IConfigValidator yarp)
{
    private static readonly string[] OthersSections = ["$schema", "AllowedHosts", "Logging"];

    /// <exception cref="InvalidConfigurationException">It cannot; the message names each setting at fault.</exception>
    public async Task CheckAsync(IConfigurationRoot configuration)
    {
        Require([.. Strangers(configuration), .. settings.Errors(configuration)]);
        Require([.. LimitsErrors(configuration.GetSection("Kestrel:Limits"))]);

        var reverseProxy = configuration.GetSection("ReverseProxy");
        try
        {
            ConfiguredDestinations.Require(reverseProxy);
        }
        catch (InvalidOperationException failure)
        {
            throw new InvalidConfigurationException(failure.Message, failure);
        }

        Require([.. RouteErrors(reverseProxy)]);
        Require(await YarpErrorsAsync(reverseProxy));
    }

    private static void Require(List<string> errors)
    {
        if (errors.Count > 0)
        {
            throw new InvalidConfigurationException(errors);
        }
    }

    // In files alone: the environment is full of others' variables.
    private IEnumerable<string> Strangers(IConfigurationRoot configuration) =>
        from file in configuration.Providers.OfType<JsonConfigurationProvider>()
        from key in file.GetChildKeys([], null).Distinct(StringComparer.OrdinalIgnoreCase)
        where !settings.Roots.Contains(key) && !OthersSections.Contains(key, StringComparer.OrdinalIgnoreCase)
            && !key.StartsWith("OTEL_", StringComparison.OrdinalIgnoreCase)
        select $"{key} in {file.Source.Path} is not a section. There are {string.Join(", ", settings.Roots.Concat(OthersSections).Order(StringComparer.Ordinal))}.";

    private static IEnumerable<string> LimitsErrors(IConfigurationSection section)
    {
        try
        {
            section.Bind(new KestrelServerLimits());
            return [];
        }
        catch (TargetInvocationException failure)
        {
            // The limit refuses the value and does not say which limit it is.
            return [$"{section.Path} has a value out of its range: {failure.GetBaseException().Message}"];
        }
    }

    // YARP answers such a route with 503, and no route at all with nothing.
    private static IEnumerable<string> RouteErrors(IConfigurationSection reverseProxy)
    {
        var routes = reverseProxy.GetSection("Routes").GetChildren().ToList();
        var clusters = reverseProxy.GetSection("Clusters").GetChildren().Select(c => c.Key).ToList();
        return routes.Count == 0
            ? [$"{reverseProxy.Path}:Routes is empty. Is appsettings.json in the content root, by default the working directory {Environment.CurrentDirectory}?"]
            : from route in routes
              where !clusters.Contains(route["ClusterId"] ?? "", StringComparer.OrdinalIgnoreCase)
              select $"{route.Path}:ClusterId is not a cluster: {route["ClusterId"]}. There are {string.Join(", ", clusters)}.";
    }

    private async Task<List<string>> YarpErrorsAsync(IConfigurationSection reverseProxy)
    {
        // YARP's own reader, which is not public, over this very section.
        var services = new ServiceCollection();
        services.AddLogging().AddReverseProxy().LoadFromConfig(reverseProxy);
        await using var provider = services.BuildServiceProvider();
        var read = provider.GetRequiredService<IProxyConfigProvider>().GetConfig();
        var errors = new List<Exception>();
        foreach (var route in read.Routes)
        {
            errors.AddRange(await yarp.ValidateRouteAsync(route));
        }

        foreach (var cluster in read.Clusters)
        {
            errors.AddRange(await yarp.ValidateClusterAsync(cluster));
        }

        return [.. errors.Select(e => e.Message)];
    }
}
