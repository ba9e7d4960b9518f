using System.Net;
using Microsoft.Extensions.Primitives;

namespace UserSvc.Edge.Discovery;

/// <summary>An instance as a source found it. YARP keeps health and counters by <paramref name="Key"/>.</summary>
internal sealed record DiscoveredEndpoint(string Key, IPEndPoint Address)
{
    /// <summary>For sources that know an instance by its address alone.</summary>
    public static DiscoveredEndpoint At(IPEndPoint address) => new(address.ToString(), address);
}

/// <summary>
/// Where a cluster's instances are found: a loop that reads it and the last known set, which a failure leaves as it is.
/// </summary>
internal abstract partial class DiscoverySource(string address, DiscoverySettings settings) : IDisposable
{
    private static readonly TimeSpan FirstBackoff = TimeSpan.FromSeconds(0.5);

    private volatile Snapshot _snapshot = new(null);
    private long _contact = settings.Time.GetTimestamp();
    private bool _failing;
    private int _failures;

    /// <summary>As it is configured.</summary>
    public string Address => address;

    /// <summary>How the endpoints are spoken to: <c>http</c> or <c>https</c>.</summary>
    public abstract string Scheme { get; }

    /// <summary>
    /// The name of all endpoints: their Host header and, with https, the name that their certificate must have. Null: each one's address.
    /// </summary>
    public virtual string? Host => null;

    /// <summary>Null until the source has answered once.</summary>
    public IReadOnlyList<DiscoveredEndpoint>? Endpoints => _snapshot.Endpoints;

    /// <summary>The time since the source last answered, or, before it has, since it was first asked. Zero while it is watched.</summary>
    public TimeSpan Age => Watching ? TimeSpan.Zero : Time.GetElapsedTime(_contact);

    /// <summary>The last attempt to read it failed.</summary>
    public bool Failing => Volatile.Read(ref _failing);

    protected DiscoveryOptions Options => settings.Options;

    protected TimeProvider Time => settings.Time;

    protected ILogger Logger => settings.Logger;

    /// <summary>The source tells of changes by itself.</summary>
    protected bool Watching { get; set; }

    /// <summary>The set and the token that fires when it is another one; an empty set before the first answer.</summary>
    public (IReadOnlyList<DiscoveredEndpoint> Endpoints, IChangeToken Changed) Read()
    {
        var snapshot = _snapshot;
        return (snapshot.Endpoints ?? [], snapshot.Changed);
    }

    /// <summary>Reads until it is cancelled. Does not throw.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            TimeSpan pause;
            try
            {
                pause = await ReadAsync(cancellationToken);
            }
            catch (Exception failure)
            {
                if (cancellationToken.IsCancellationRequested)
                {
                    return;
                }

                pause = Fail(failure);
            }

            await Task.Delay(pause, Time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    public void Dispose()
    {
        Dispose(true);
        GC.SuppressFinalize(this);
    }

    protected virtual void Dispose(bool disposing)
    {
    }

    /// <summary>Asks the source, publishes what it answers and returns how long to wait before it is asked again.</summary>
    protected abstract Task<TimeSpan> ReadAsync(CancellationToken cancellationToken);

    /// <summary>Makes this the known set. The proxy routes by it when this returns.</summary>
    protected void Publish(IEnumerable<DiscoveredEndpoint> endpoints)
    {
        _contact = Time.GetTimestamp();
        _failures = 0;
        if (_failing)
        {
            _failing = false;
            LogRecovered(Logger, address);
        }

        // In one order, as a name server's answers come in a new one each time.
        var known = endpoints.DistinctBy(e => e.Key, StringComparer.OrdinalIgnoreCase).OrderBy(e => e.Key, StringComparer.Ordinal).ToList();
        var old = _snapshot;
        if (old.Endpoints is not null && old.Endpoints.SequenceEqual(known))
        {
            return;
        }

        _snapshot = new(known);
        settings.Metrics.Updated(address);
        LogUpdated(Logger, address, known.Count);
        old.Changed.OnReload();
    }

    private TimeSpan Fail(Exception failure)
    {
        Watching = false;
        settings.Metrics.Failed(address);
        if (!_failing)
        {
            _failing = true;
            LogFailing(Logger, address, failure.GetBaseException().Message, Endpoints?.Count ?? 0);
        }

        var longest = FirstBackoff * Math.Pow(2, Math.Min(_failures++, 20));
        return (longest < Options.MaxBackoff ? longest : Options.MaxBackoff) * (0.5 + Random.Shared.NextDouble() / 2);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Discovery: {Source} fails, its last known {Count} endpoints stay: {Reason}")]
    private static partial void LogFailing(ILogger logger, string source, string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message = "Discovery: {Source} answers again")]
    private static partial void LogRecovered(ILogger logger, string source);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Discovery: {Source} has {Count} endpoints")]
    private static partial void LogUpdated(ILogger logger, string source, int count);

    private sealed record Snapshot(IReadOnlyList<DiscoveredEndpoint>? Endpoints)
    {
        public ConfigurationReloadToken Changed { get; } = new();
    }
}
