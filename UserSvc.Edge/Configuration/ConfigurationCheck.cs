using System.Reflection;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration.Json;
using Yarp.ReverseProxy.Configuration;

namespace UserSvc.Edge.Configuration;

/// <summary>
/// Whether a configuration as a whole can be used, asked before the start, and before a changed one takes the place of another. In
/// two steps, because reading a wrong setting already ends the making of the services that the second step needs.
/// </summary>
internal sealed class ConfigurationCheck(KnownSettings settings)
{
    private static readonly string[] OthersSections = ["$schema", "AllowedHosts", "Logging"];

    /// <exception cref="InvalidConfigurationException">It cannot; the message names each setting at fault.</exception>
    public void CheckSettings(IConfigurationRoot configuration)
    {
        Require([.. Strangers(configuration), .. settings.Errors(configuration)]);
        Require([.. LimitsErrors(configuration.GetSection("Kestrel:Limits"))]);
        foreach (var section in settings.Sections)
        {
            Require([.. section.Errors?.Invoke(configuration.GetSection(section.Path)) ?? []]);
        }

        Require([.. RouteErrors(configuration.GetSection("ReverseProxy"))]);
    }

    /// <summary>What YARP itself refuses, such as a policy that there is not.</summary>
    /// <exception cref="InvalidConfigurationException">The message is YARP's, one line a mistake.</exception>
    public static async Task CheckProxyAsync(IConfiguration configuration, IConfigValidator validator)
    {
        // YARP's own reader, which is not public, over this very section.
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

    // In files alone: the environment is full of others' variables.
    private IEnumerable<string> Strangers(IConfigurationRoot configuration) =>
        from file in configuration.Providers.OfType<JsonConfigurationProvider>()
        from key in file.GetChildKeys([], null).Distinct(StringComparer.OrdinalIgnoreCase)
        where !settings.Roots.Contains(key) && !OthersSections.Contains(key, StringComparer.OrdinalIgnoreCase)
            && !key.StartsWith("OTEL_", StringComparison.OrdinalIgnoreCase)
        select $"{key} in {file.Source.Path} is not a section. There are {string.Join(", ", settings.Roots.Concat(OthersSections).Order(StringComparer.Ordinal))}.";

    private static IEnumerable<string> LimitsErrors(IConfigurationSection section)
    {
        // One by one: a limit that refuses its value does not say which limit it is.
        var limits = section.AsEnumerable(makePathsRelative: true).Where(s => s.Value is not null)
            .Select(s => Error($"{section.Path}:{s.Key}", s.Value, () => new ConfigurationBuilder().AddInMemoryCollection([s]).Build().Bind(new KestrelServerLimits())));
        var rates = new[] { nameof(KestrelServerLimits.MinRequestBodyDataRate), nameof(KestrelServerLimits.MinResponseDataRate) }.Select(section.GetSection)
            .Select(rate => Error(rate.Path, $"{rate["BytesPerSecond"]}, {rate["GracePeriod"]}", () => rate.Get<MinDataRate>()));
        return limits.Concat(rates).OfType<string>();

        static string? Error(string path, string? value, Action bind)
        {
            try
            {
                bind();
                return null;
            }
            catch (Exception failure) when (failure is TargetInvocationException or InvalidOperationException)
            {
                return $"{path} cannot be {value}: {failure.GetBaseException().Message}";
            }
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
}
