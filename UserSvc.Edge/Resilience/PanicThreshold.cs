using System.Collections.Concurrent;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Sends requests to healthy destinations and, when too few of all are healthy, to unhealthy ones too (Envoy's panic threshold). When that
/// many look unhealthy, suspect the checks or overload; sending everything to the rest would take them down too. A destination that itself
/// says that it takes no requests gets none and does not count.
/// </summary>
internal sealed partial class PanicThreshold(ResilienceState state, ILogger<PanicThreshold> logger) : IAvailableDestinationsPolicy
{
    private readonly ConcurrentDictionary<string, bool> _panicking = new(StringComparer.OrdinalIgnoreCase);

    public string Name => "PanicThreshold";

    public static bool IsUnhealthy(DestinationState destination) =>
        destination.Health.Active is DestinationHealth.Unhealthy || destination.Health.Passive is DestinationHealth.Unhealthy;

    // The misspelling is YARP's.
    public IReadOnlyList<DestinationState> GetAvailalableDestinations(ClusterConfig config, IReadOnlyList<DestinationState> allDestinations)
    {
        var inService = allDestinations.Where(d => !state.Get(d).OutOfService).ToList();
        var healthy = inService.Where(d => !IsUnhealthy(d)).ToList();
        var threshold = ClusterSettings.Read(config.Metadata).PanicThreshold;
        var panic = healthy.Count * 100 < inService.Count * threshold;
        if (panic && _panicking.TryAdd(config.ClusterId, true))
        {
            LogPanic(logger, config.ClusterId, healthy.Count, inService.Count, threshold);
        }
        else if (!panic && _panicking.TryRemove(config.ClusterId, out _))
        {
            LogCalm(logger, config.ClusterId, healthy.Count, inService.Count);
        }

        return panic ? inService : healthy;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "{Cluster} panics: {Healthy} of {All} destinations are healthy, fewer than {Threshold}%, so all of them get requests")]
    private static partial void LogPanic(ILogger logger, string cluster, int healthy, int all, int threshold);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Cluster} no longer panics: {Healthy} of {All} destinations are healthy")]
    private static partial void LogCalm(ILogger logger, string cluster, int healthy, int all);
}
