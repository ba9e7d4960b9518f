using Microsoft.Extensions.Options;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Configuration;

/// <summary>Configuration that is checked as a whole, at start and whenever a file changes.</summary>
internal static class ConfigurationExtensions
{
    /// <summary>Comes first: whoever is configured after it reads the checked configuration.</summary>
    public static void AddCheckedConfiguration(this WebApplicationBuilder builder)
    {
        var running = new CheckedConfiguration(builder.Configuration);
        var files = new ConfigurationFiles([.. builder.Configuration.Sources]);
        builder.Configuration.Sources.Clear();
        builder.Configuration.Sources.Add(running);

        builder.Services.AddSingleton(running);
        builder.Services.AddSingleton(files);
        builder.Services.AddSingleton<KnownSettings>();
        builder.Services.AddSingleton<ConfigurationCheck>();
        builder.Services.AddHostedService<ConfigurationReload>();
        builder.Services.AddSingleton(new KnownSection("ReverseProxy", typeof(ReverseProxySection)));
        builder.Services.AddSingleton(new KnownSection("Kestrel", typeof(KestrelSection)));
        builder.Services.AddSingleton(new KnownSection("Drain", typeof(DrainOptions)));
        builder.Services.AddSingleton(new KnownSection("Instance", typeof(InstanceOptions)));
        builder.Services.AddKnownOptions<ReloadOptions>(ReloadOptions.Section)
            .Validate(o => o.Interval >= TimeSpan.FromMilliseconds(50) && o.Interval <= TimeSpan.FromHours(1),
                $"{ReloadOptions.Section}:Interval must be between 50 ms and 1 h.");
    }

    /// <summary>Options bound to a section, such as <c>Edge:Discovery</c>, in which every key must be a property of theirs.</summary>
    public static OptionsBuilder<TOptions> AddKnownOptions<TOptions>(this IServiceCollection services, string section)
        where TOptions : class
    {
        services.AddSingleton(new KnownSection(section, typeof(TOptions)));
        return services.AddOptions<TOptions>().BindConfiguration(section).ValidateOnStart();
    }

    /// <exception cref="InvalidConfigurationException">The edge cannot be started with this configuration.</exception>
    public static void CheckConfiguration(this WebApplication app)
    {
        app.Services.GetRequiredService<ConfigurationCheck>()
            .CheckAsync(app.Services.GetRequiredService<ConfigurationFiles>().Current).GetAwaiter().GetResult();
        try
        {
            app.Services.GetRequiredService<IStartupValidator>().Validate();
        }
        catch (OptionsValidationException invalid)
        {
            throw new InvalidConfigurationException(invalid.Failures);
        }
        catch (AggregateException several)
        {
            throw new InvalidConfigurationException(several.InnerExceptions.OfType<OptionsValidationException>().SelectMany(e => e.Failures));
        }
    }
}
