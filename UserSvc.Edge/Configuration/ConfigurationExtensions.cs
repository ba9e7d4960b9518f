using Microsoft.Extensions.Configuration.Json;
using Microsoft.Extensions.Options;
using UserSvc.ServiceDefaults;
using Yarp.ReverseProxy.Configuration;

namespace UserSvc.Edge.Configuration;

/// <summary><c>Edge:Mode</c>: where in the system this process runs.</summary>
internal enum EdgeMode
{
    /// <summary>In front of all instances. The default.</summary>
    Edge,

    /// <summary>Next to one instance, in its pod: reads <c>appsettings.Sidecar.json</c> as well.</summary>
    Sidecar,
}

/// <summary>Configuration that is checked as a whole, at start and whenever a file changes.</summary>
internal static class ConfigurationExtensions
{
    private const string ModeKey = "Edge:Mode";

    /// <summary>What this process calls itself in telemetry: the edge and a sidecar are one binary.</summary>
    public static string ServiceName(this IConfiguration configuration) => configuration.IsSidecar() ? "usersvc-sidecar" : "edge";

    public static bool IsSidecar(this IConfiguration configuration) => configuration.Mode() is EdgeMode.Sidecar;

    /// <summary>Must come first: everything configured after it reads the checked configuration.</summary>
    public static ConfigurationSources AddCheckedConfiguration(this WebApplicationBuilder builder)
    {
        builder.Configuration.AddModeFile();
        var running = new CheckedConfiguration(builder.Configuration);
        var sources = new ConfigurationSources([.. builder.Configuration.Sources]);
        builder.Configuration.Sources.Clear();
        builder.Configuration.Sources.Add(running);

        builder.Services.AddSingleton(running);
        builder.Services.AddSingleton(sources);
        builder.Services.AddSingleton<KnownSettings>();
        builder.Services.AddSingleton<ConfigurationCheck>();
        builder.Services.AddHostedService<ConfigurationReload>();
        builder.Services.AddSingleton(new KnownSection("Kestrel", typeof(KestrelSection)));
        builder.Services.AddSingleton(new KnownSection(ModeKey, typeof(EdgeMode)));
        builder.Services.AddCheckedOptions<ReloadOptions>(ReloadOptions.Section)
            .Validate(o => o.Interval >= TimeSpan.FromMilliseconds(50) && o.Interval <= TimeSpan.FromHours(1),
                $"{ReloadOptions.Section}:Interval must be between 50 ms and 1 h.");
        return sources;
    }

    /// <exception cref="InvalidConfigurationException">The edge cannot start with this configuration.</exception>
    /// <exception cref="OptionsValidationException">The same, found by the options' own validation.</exception>
    public static WebApplication BuildChecked(this WebApplicationBuilder builder, ConfigurationSources sources)
    {
        var check = new ConfigurationCheck(KnownSettings.From(builder.Services));
        check.CheckSettings(sources.Current);

        var app = builder.Build();
        app.Services.GetRequiredService<IStartupValidator>().Validate();
        ConfigurationCheck.CheckProxyAsync(sources.Current, app.Services.GetRequiredService<IConfigValidator>()).GetAwaiter().GetResult();
        return app;
    }

    // Above appsettings.json and below the environment's file (appsettings.Production.json), so that an operator's settings win in every
    // mode. An unknown mode has no file; the check of all settings rejects it by name.
    private static void AddModeFile(this ConfigurationManager configuration)
    {
        if (configuration.Mode() is EdgeMode.Sidecar and var mode)
        {
            IList<IConfigurationSource> sources = configuration.Sources;
            var shipped = sources.OfType<JsonConfigurationSource>().First(file => file.Path == "appsettings.json");
            sources.Insert(sources.IndexOf(shipped) + 1, new JsonConfigurationSource { Path = $"appsettings.{mode}.json", FileProvider = shipped.FileProvider });
        }
    }

    private static EdgeMode Mode(this IConfiguration configuration) =>
        Enum.TryParse<EdgeMode>(configuration[ModeKey], ignoreCase: true, out var mode) ? mode : EdgeMode.Edge;
}
