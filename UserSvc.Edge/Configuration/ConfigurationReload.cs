using Microsoft.Extensions.Options;
using Yarp.ReverseProxy.Configuration;

namespace UserSvc.Edge.Configuration;

/// <summary>Section <c>Edge:Reload</c>.</summary>
internal sealed class ReloadOptions
{
    public const string Section = "Edge:Reload";

    /// <summary>How often the configuration files are looked at. Default 1 s; 50 ms to 1 h.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(1);
}

/// <summary>Applies changed files to the running edge. A configuration that cannot be used changes nothing and is logged, once.</summary>
internal sealed partial class ConfigurationReload(
    ConfigurationFiles files,
    ConfigurationCheck check,
    CheckedConfiguration running,
    KnownSettings settings,
    IConfigValidator validator,
    IOptions<ReloadOptions> options,
    TimeProvider time,
    ILogger<ConfigurationReload> logger) : BackgroundService
{
    private bool _refused;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Value.Interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                if (files.HaveChanged())
                {
                    await ReloadAsync();
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Where another service fails to start, the host would take this for a failure too.
        }
    }

    private async Task ReloadAsync()
    {
        try
        {
            var configuration = files.Read();
            check.CheckSettings(configuration);
            await ConfigurationCheck.CheckProxyAsync(configuration, validator);
            var changed = running.Apply(configuration, settings.Roots, out var unapplied);
            if (changed || _refused)
            {
                var clusters = configuration.GetSection("ReverseProxy:Clusters").GetChildren().ToList();
                var routes = configuration.GetSection("ReverseProxy:Routes").GetChildren().Count();
                var destinations = clusters.Sum(c => c.GetSection("Destinations").GetChildren().Count());
                LogReloaded(logger, routes, clusters.Count, destinations);
            }

            if (unapplied.Count > 0)
            {
                var keys = string.Join(", ", unapplied);
                LogNeedRestart(logger, keys);
            }

            _refused = false;
        }
        catch (InvalidConfigurationException invalid)
        {
            _refused = true;
            LogRefused(logger, invalid.Message);
        }
        catch (Exception failure)
        {
            // Whatever it is, the edge serves on, and looks again at the next change.
            _refused = true;
            LogFailed(logger, failure);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Configuration reloaded; routes: {Routes}, clusters: {Clusters}, destinations: {Destinations}")]
    private static partial void LogReloaded(ILogger logger, int routes, int clusters, int destinations);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Changed in a file, and applied at the next start only: {Settings}")]
    private static partial void LogNeedRestart(ILogger logger, string settings);

    [LoggerMessage(Level = LogLevel.Error, Message = "The changed configuration cannot be used, the one before stays: {Reason}")]
    private static partial void LogRefused(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "The changed configuration could not be applied")]
    private static partial void LogFailed(ILogger logger, Exception exception);
}
