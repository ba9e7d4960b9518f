using Microsoft.Extensions.Options;
using Yarp.ReverseProxy.Configuration;

namespace UserSvc.Edge.Discovery;

/// <summary>What every source is given.</summary>
internal sealed record DiscoverySettings(DiscoveryOptions Options, DiscoveryMetrics Metrics, TimeProvider Time, ILogger Logger);

/// <summary>
/// The sources of the configuration as it is: one an address, however many clusters have it. One begins when YARP first asks for it,
/// but not before the host starts, and ends when a new configuration without it has been applied.
/// </summary>
internal sealed class DiscoverySources(
    IOptions<DiscoveryOptions> options,
    IConfiguration configuration,
    IEnumerable<IProxyConfigProvider> providers,
    DiscoveryMetrics metrics,
    TimeProvider time,
    ILogger<DiscoverySource> logger) : IHostedService, IConfigChangeListener
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Running> _sources = new(StringComparer.Ordinal);
    private bool _started;
    private Task _ending = Task.CompletedTask;

    public IReadOnlyList<DiscoverySource> All
    {
        get
        {
            lock (_lock)
            {
                return [.. _sources.Values.Select(s => s.Source)];
            }
        }
    }

    /// <summary>The source of a destination's address, null where the address is the destination itself.</summary>
    public DiscoverySource? Find(string? address)
    {
        if (address is null)
        {
            return null;
        }

        lock (_lock)
        {
            if (!_sources.TryGetValue(address, out var running) && Create(address) is { } source)
            {
                _sources[address] = running = new(source);
                if (_started)
                {
                    running.Start();
                }
            }

            return running?.Source;
        }
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        metrics.Observe(this);
        lock (_lock)
        {
            _started = true;
            foreach (var running in _sources.Values)
            {
                running.Start();
            }
        }

        return Task.CompletedTask;
    }

    // After the drain, and after the web server: requests are routed by what is discovered until the last one ends.
    public Task StopAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _started = false;
        }

        return EndAsync([]);
    }

    public void ConfigurationApplied(IReadOnlyList<IProxyConfig> proxyConfigs) =>
        // What YARP hands over has been resolved already. Not waited for here, within YARP's reload: StopAsync does.
        EndAsync([.. providers.SelectMany(p => p.GetConfig().Clusters).SelectMany(c => c.Destinations?.Values ?? []).Select(d => d.Address)]);

    public void ConfigurationLoadingFailed(IProxyConfigProvider configProvider, Exception exception)
    {
    }

    public void ConfigurationLoaded(IReadOnlyList<IProxyConfig> proxyConfigs)
    {
    }

    public void ConfigurationApplyingFailed(IReadOnlyList<IProxyConfig> proxyConfigs, Exception exception)
    {
    }

    private DiscoverySource? Create(string address)
    {
        var settings = new DiscoverySettings(options.Value, metrics, time, logger);
        try
        {
            return DestinationAddress.Parse(address) switch
            {
                DnsAddress dns => new DnsSource(address, dns, settings),
                SdsAddress sds => new SdsSource(address, sds, settings),
                KubernetesAddress kubernetes => new KubernetesSource(address, kubernetes, KubernetesConnection.From(settings.Options.Kubernetes, configuration), settings),
                _ => null,
            };
        }
        catch (FormatException)
        {
            // A resolver that throws leaves YARP deaf for five minutes. Checked at start; in a later configuration the validators say no.
            return null;
        }
    }

    private Task EndAsync(HashSet<string> configured)
    {
        lock (_lock)
        {
            List<Running> ended = [.. _sources.Where(s => !configured.Contains(s.Key)).Select(s => s.Value)];
            foreach (var running in ended)
            {
                _sources.Remove(running.Source.Address);
            }

            return _ending = Task.WhenAll([_ending, .. ended.Select(r => r.DisposeAsync().AsTask())]);
        }
    }

    private sealed class Running(DiscoverySource source) : IAsyncDisposable
    {
        private readonly CancellationTokenSource _ending = new();
        private Task _loop = Task.CompletedTask;

        public DiscoverySource Source => source;

        // Not on the caller's thread, which may hold YARP's reload, nor in its trace.
        public void Start() => _loop = Task.Run(() => source.RunAsync(_ending.Token));

        public async ValueTask DisposeAsync()
        {
            // Not within the source's own change, whose loop could not end before this returns.
            await Task.Yield();
            await _ending.CancelAsync();
            await _loop;
            source.Dispose();
            _ending.Dispose();
        }
    }
}
