using System.Runtime.CompilerServices;
using UserSvc.Edge.Statistics;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>What is remembered of a destination beside YARP's own state, for as long as YARP keeps that.</summary>
internal sealed class DestinationRecord
{
    /// <summary>Failed requests in a row.</summary>
    public int Failures;

    /// <summary>How often it was ejected, less what good time since has taken off.</summary>
    public int Ejections;

    /// <summary>How often it was ejected in all.</summary>
    public long EjectionsInAll;

    /// <summary>When its last ejection ended, a timestamp.</summary>
    public long Returned;

    /// <summary>Ends the ejection that lasts; null while there is none.</summary>
    public ITimer? Ejection;

    /// <summary>Probes without a success, and successful ones, in a row.</summary>
    public int FailedProbes, SuccessfulProbes;

    /// <summary>
    /// A probe has said in so many words that no requests are taken here: it was answered with an error, or the connection was refused.
    /// </summary>
    public volatile bool OutOfService;

    public TryStatistics Tries { get; } = new();
}

/// <summary>What is remembered of a cluster: its settings as read, and what its requests have in common.</summary>
internal sealed class ClusterRecord(TimeProvider time)
{
    private readonly long[] _retries = new long[Enum.GetValues<RetryReason>().Length];
    private SettingsOfModel? _settings;

    /// <summary>Requests in flight, their retries and waits included.</summary>
    public int InFlight;

    /// <summary>Requests that a later try answered; retries that the budget refused.</summary>
    public long RetrySuccesses, RetryOverflows;

    /// <summary>Requests refused because the cluster, or each destination, had as many in flight as it may.</summary>
    public long ClusterOverflows, DestinationOverflows;

    /// <summary>Ejections of its destinations, of those that are gone too.</summary>
    public long Ejections;

    public TryStatistics Tries { get; } = new();

    public SampleRing Samples { get; } = new();

    /// <summary>Tries after the first.</summary>
    public long RetriesInAll => _retries.Sum();

    public long Refused => Volatile.Read(ref ClusterOverflows) + Volatile.Read(ref DestinationOverflows);

    public RetryBudget Budget { get; } = new(time);

    /// <summary>Held while an ejection begins or ends, so that two at once cannot exceed the share.</summary>
    public Lock Ejecting { get; } = new();

    /// <summary>The cluster's settings; read anew when a reload has given it another model.</summary>
    public ClusterSettings SettingsOf(ClusterModel model)
    {
        var settings = Volatile.Read(ref _settings);
        if (settings?.Model != model)
        {
            Volatile.Write(ref _settings, settings = new(model, ClusterSettings.Read(model.Config.Metadata)));
        }

        return settings.Settings;
    }

    public void CountRetry(RetryReason reason) => Interlocked.Increment(ref _retries[(int)reason]);

    public long Retries(RetryReason reason) => Volatile.Read(ref _retries[(int)reason]);

    private sealed record SettingsOfModel(ClusterModel Model, ClusterSettings Settings);
}

/// <summary>Keeps the records; they go with YARP's own states.</summary>
internal sealed class ResilienceState(TimeProvider time)
{
    private readonly ConditionalWeakTable<ClusterState, ClusterRecord> _clusters = [];
    private readonly ConditionalWeakTable<DestinationState, DestinationRecord> _destinations = [];

    public ClusterRecord Of(ClusterState cluster) => _clusters.TryGetValue(cluster, out var record) ? record : _clusters.GetValue(cluster, _ => new(time));

    public DestinationRecord Of(DestinationState destination) => _destinations.GetOrCreateValue(destination);
}
