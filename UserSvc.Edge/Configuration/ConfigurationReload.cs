using System.Globalization;
using Microsoft.Extensions.Options;
using UserSvc.ServiceDefaults;
using Yarp.ReverseProxy.Configuration;

namespace UserSvc.Edge.Configuration;

/// <summary>Section <c>Edge:Reload</c>.</summary>
internal sealed class ReloadOptions
{
    public const string Section = "Edge:Reload";

    /// <summary>How often the configuration files are checked for changes. Default 1 s; 50 ms to 1 h.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(1);
}

/// <summary>Applies changed files to the running edge. An invalid configuration changes nothing and is logged once.</summary>
internal sealed partial class ConfigurationReload(
    ConfigurationSources sources,
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
                if (sources.FilesHaveChanged())
                {
                    await ReloadAsync();
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // If another service fails to start, the host would report this cancellation as a second failure.
        }
    }

    private async Task ReloadAsync()
    {
        try
        {
            sources.Reload();
            var configuration = sources.Current;
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
            // Keep serving, and reload at the next change.
            _refused = true;
            LogFailed(logger, failure);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Configuration reloaded; routes: {Routes}, clusters: {Clusters}, destinations: {Destinations}")]
    private static partial void LogReloaded(ILogger logger, int routes, int clusters, int destinations);

    [LoggerMessage(Level = LogLevel.Warning, Message = "These settings changed and take effect only after a restart: {Settings}")]
    private static partial void LogNeedRestart(ILogger logger, string settings);

    [LoggerMessage(Level = LogLevel.Error, Message = "The changed configuration is invalid; the previous one stays in use: {Reason}")]
    private static partial void LogRefused(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Failed to apply the changed configuration; fix it or restart the edge")]
    private static partial void LogFailed(ILogger logger, Exception exception);
}

/// <summary>
/// Copies a route's <c>MaxRequestBodySize</c> into its metadata: YARP 2.3 compares the metadata when it looks for changed routes, but not
/// the size, so a change of the size alone would not be applied.
/// </summary>
internal sealed class RouteBodySize : IProxyConfigFilter
{
    public ValueTask<RouteConfig> ConfigureRouteAsync(RouteConfig route, ClusterConfig? cluster, CancellationToken cancel) =>
        new(route.MaxRequestBodySize is not { } size ? route : route with
        {
            Metadata = new Dictionary<string, string>(route.Metadata ?? new Dictionary<string, string>())
            {
                [nameof(RouteConfig.MaxRequestBodySize)] = size.ToString(CultureInfo.InvariantCulture),
            },
        });

    public ValueTask<ClusterConfig> ConfigureClusterAsync(ClusterConfig cluster, CancellationToken cancel) => new(cluster);
}
