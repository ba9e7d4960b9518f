using Microsoft.Extensions.Configuration.Json;

namespace UserSvc.Edge.Configuration;

/// <summary><c>Edge:Mode</c>: where in the system this process stands.</summary>
internal enum EdgeMode
{
    /// <summary>Before all instances. The default.</summary>
    Edge,

    /// <summary>Beside one instance, in its pod: the settings of <c>appsettings.Sidecar.json</c> as well.</summary>
    Sidecar,
}

internal static class EdgeModeExtensions
{
    public const string Key = "Edge:Mode";

    /// <summary>What this process calls itself in telemetry: the edge and a sidecar are one binary.</summary>
    public static string ServiceName(this IConfiguration configuration) => configuration.Mode() is EdgeMode.Sidecar ? "usersvc-sidecar" : "edge";

    /// <summary>
    /// Puts the mode's file above appsettings.json and below the environment's own (appsettings.Production.json), so that what an
    /// operator adds counts in every mode. An unknown mode has none, and the check of all settings refuses it by name.
    /// </summary>
    public static void AddModeFile(this ConfigurationManager configuration)
    {
        if (configuration.Mode() is EdgeMode.Sidecar and var mode)
        {
            IList<IConfigurationSource> sources = configuration.Sources;
            var shipped = sources.OfType<JsonConfigurationSource>().First(file => file.Path == "appsettings.json");
            sources.Insert(sources.IndexOf(shipped) + 1, new JsonConfigurationSource { Path = $"appsettings.{mode}.json", FileProvider = shipped.FileProvider });
        }
    }

    private static EdgeMode Mode(this IConfiguration configuration) =>
        Enum.TryParse<EdgeMode>(configuration[Key], ignoreCase: true, out var mode) ? mode : EdgeMode.Edge;
}
