using System.Net;
using Microsoft.Extensions.Primitives;
using UserSvc.Edge.Statistics;

namespace UserSvc.Edge.Discovery;

internal sealed record DiscoverySettings(DiscoveryOptions Options, TimeProvider Time, ILogger Logger);

/// <summary>An instance found by a source. YARP keeps health and counters by <paramref name="Key"/>.</summary>
internal sealed record DiscoveredEndpoint(string Key, IPEndPoint Address)
{
    /// <summary>For sources that know an instance by its address alone.</summary>
    public static DiscoveredEndpoint FromAddress(IPEndPoint address) => new(address.ToString(), address);
}

/// <summary>Finds a cluster's instances: a loop that refreshes the known set and, when that fails, keeps it as it is.</summary>
internal abstract partial class DiscoverySource(string address, DiscoverySettings settings) : IAsyncDisposable
{
    private static readonly TimeSpan FirstBackoff = TimeSpan.FromSeconds(0.5);

    private readonly CancellationTokenSource _ending = new();
    private Task _loop = Task.CompletedTask;
    private volatile Snapshot _snapshot = new(null);
    private long _contact = settings.Time.GetTimestamp();
    private bool _failing;
    private int _failuresInARow;

    /// <summary>The address as configured, scheme included.</summary>
    public string Address => address;

    /// <summary>How to speak to the endpoints: <c>http</c> or <c>https</c>.</summary>
    public abstract string Scheme { get; }

    /// <summary>The Host header of all endpoints and, with https, the name in their certificate. Null: each endpoint's address.</summary>
    public virtual string? Host => null;

    /// <summary>Null until the source has answered once.</summary>
    public IReadOnlyList<DiscoveredEndpoint>? Endpoints => _snapshot.Endpoints;

    /// <summary>The time since the source last answered; before its first answer, since it was created. Zero while it is watched.</summary>
    public TimeSpan Age => Watching ? TimeSpan.Zero : Time.GetElapsedTime(_contact);

    public bool Failing => Volatile.Read(ref _failing);

    public Counter Updates { get; } = new();

    public Counter Failures { get; } = new();

    protected DiscoveryOptions Options => settings.Options;

    protected TimeProvider Time => settings.Time;

    protected ILogger Logger => settings.Logger;

    /// <summary>Whether the source reports changes by itself.</summary>
    protected bool Watching { get; set; }

    /// <summary>The known set, empty before the first answer, and the token that fires when it changes.</summary>
    public (IReadOnlyList<DiscoveredEndpoint> Endpoints, IChangeToken Changed) GetSnapshot()
    {
        var snapshot = _snapshot;
        return (snapshot.Endpoints ?? [], snapshot.Changed);
    }

    /// <summary>Starts the loop on another thread: the caller may be inside YARP's reload.</summary>
    public void Start() => _loop = Task.Run(RunAsync);

    public virtual async ValueTask DisposeAsync()
    {
        // Disposal can start inside the source's own change callback, and the loop cannot end before that returns.
        await Task.Yield();
        await _ending.CancelAsync();
        await _loop;
        _ending.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Asks the source and publishes its answer.</summary>
    /// <returns>How long to wait before the next refresh.</returns>
    protected abstract Task<TimeSpan> RefreshAsync(CancellationToken cancellationToken);

    /// <summary>Replaces the known set. When this returns, the proxy routes to the new one.</summary>
    protected void Publish(IEnumerable<DiscoveredEndpoint> endpoints)
    {
        _contact = Time.GetTimestamp();
        if (_failing)
        {
            _failing = false;
            LogRecovered(Logger, address, _failuresInARow);
        }

        _failuresInARow = 0;

        // Sorted, because name servers rotate the order of their answers.
        var known = endpoints.DistinctBy(e => e.Key, StringComparer.OrdinalIgnoreCase).OrderBy(e => e.Key, StringComparer.Ordinal).ToList();
        var old = _snapshot;
        if (old.Endpoints is not null && old.Endpoints.SequenceEqual(known))
        {
            return;
        }

        _snapshot = new(known);
        Updates.Increment();
        LogUpdated(Logger, address, known.Count);
        old.Changed.OnReload();
    }

    private async Task RunAsync()
    {
        var cancellationToken = _ending.Token;
        while (!cancellationToken.IsCancellationRequested)
        {
            TimeSpan pause;
            try
            {
                pause = await RefreshAsync(cancellationToken);
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

    private TimeSpan Fail(Exception failure)
    {
        Watching = false;
        Failures.Increment();
        if (!_failing)
        {
            _failing = true;
            LogFailing(Logger, address, failure.GetBaseException().Message, Endpoints?.Count ?? 0);
        }

        var longest = FirstBackoff * Math.Pow(2, Math.Min(_failuresInARow++, 20));
        return (longest < Options.MaxBackoff ? longest : Options.MaxBackoff) * (0.5 + Random.Shared.NextDouble() / 2);
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Discovery: {Source} fails; its last known {Count} endpoints stay in use: {Reason}")]
    private static partial void LogFailing(ILogger logger, string source, string reason, int count);

    [LoggerMessage(Level = LogLevel.Information, Message = "Discovery: {Source} answers again, after {Failures} failures")]
    private static partial void LogRecovered(ILogger logger, string source, int failures);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Discovery: {Source} has {Count} endpoints")]
    private static partial void LogUpdated(ILogger logger, string source, int count);

    private sealed record Snapshot(IReadOnlyList<DiscoveredEndpoint>? Endpoints)
    {
        public ConfigurationReloadToken Changed { get; } = new();
    }
}
