using Microsoft.Extensions.Options;
using UserSvc.ServiceDefaults;
using Yarp.ReverseProxy.Configuration;

namespace UserSvc.Edge.Configuration;

/// <summary>Configuration that is checked as a whole, at start and whenever a file changes.</summary>
internal static class ConfigurationExtensions
{
    /// <summary>Comes first: whoever is configured after it reads the checked configuration.</summary>
    public static ConfigurationFiles AddCheckedConfiguration(this WebApplicationBuilder builder)
    {
        builder.Configuration.AddModeFile();
        var running = new CheckedConfiguration(builder.Configuration);
        var files = new ConfigurationFiles([.. builder.Configuration.Sources]);
        builder.Configuration.Sources.Clear();
        builder.Configuration.Sources.Add(running);

        builder.Services.AddSingleton(running);
        builder.Services.AddSingleton(files);
        builder.Services.AddSingleton<KnownSettings>();
        builder.Services.AddSingleton<ConfigurationCheck>();
        builder.Services.AddHostedService<ConfigurationReload>();
        builder.Services.AddSingleton(new KnownSection("Kestrel", typeof(KestrelSection)));
        builder.Services.AddSingleton(new KnownSection(EdgeModeExtensions.Key, typeof(EdgeMode)));
        builder.Services.AddSingleton(new KnownSection("Drain", typeof(DrainOptions)));
        builder.Services.AddSingleton(new KnownSection("Instance", typeof(InstanceOptions)));
        builder.Services.AddKnownOptions<ReloadOptions>(ReloadOptions.Section)
            .Validate(o => o.Interval >= TimeSpan.FromMilliseconds(50) && o.Interval <= TimeSpan.FromHours(1),
                $"{ReloadOptions.Section}:Interval must be between 50 ms and 1 h.");
        // What it says of a failed start, the process says in one line.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.Critical);
        return files;
    }

    /// <summary>Options bound to a section, such as <c>Edge:Discovery</c>, in which every key must be a property of theirs.</summary>
    public static OptionsBuilder<TOptions> AddKnownOptions<TOptions>(this IServiceCollection services, string section)
        where TOptions : class
    {
        services.AddSingleton(new KnownSection(section, typeof(TOptions)));
        return services.AddOptions<TOptions>().BindConfiguration(section).ValidateOnStart();
    }

    /// <exception cref="InvalidConfigurationException">The edge cannot be started with this configuration.</exception>
    /// <exception cref="OptionsValidationException">The same, by the options' own validation.</exception>
    public static WebApplication BuildChecked(this WebApplicationBuilder builder, ConfigurationFiles files)
    {
        var check = new ConfigurationCheck(new(builder.Services.Select(s => s.ImplementationInstance).OfType<KnownSection>()));
        check.CheckSettings(files.Current);

        var app = builder.Build();
        app.Services.GetRequiredService<IStartupValidator>().Validate();
        ConfigurationCheck.CheckProxyAsync(files.Current, app.Services.GetRequiredService<IConfigValidator>()).GetAwaiter().GetResult();
        return app;
    }
}
