using Microsoft.Extensions.Options;
using Yarp.ReverseProxy.Configuration;

namespace UserSvc.Edge.Discovery;

/// <summary>
/// The sources of the current configuration: one per address, however many clusters use it. A source starts when YARP first asks for it,
/// but not before the host, and ends once a configuration without it has been applied.
/// </summary>
internal sealed class DiscoverySources(
    IOptions<DiscoveryOptions> options,
    IConfiguration configuration,
    IEnumerable<IProxyConfigProvider> providers,
    TimeProvider time,
    ILogger<DiscoverySource> logger) : IHostedService, IConfigChangeListener
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, DiscoverySource> _sources = new(StringComparer.Ordinal);
    private bool _started;
    private Task _ending = Task.CompletedTask;

    public IReadOnlyList<DiscoverySource> All
    {
        get
        {
            lock (_lock)
            {
                return [.. _sources.Values];
            }
        }
    }

    /// <summary>The source of a destination's address; null where the address is itself the destination.</summary>
    public DiscoverySource? GetOrStart(string? address)
    {
        if (address is null)
        {
            return null;
        }

        lock (_lock)
        {
            if (!_sources.TryGetValue(address, out var source) && (source = Create(address)) is not null)
            {
                _sources[address] = source;
                if (_started)
                {
                    source.Start();
                }
            }

            return source;
        }
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _started = true;
            foreach (var source in _sources.Values)
            {
                source.Start();
            }
        }

        return Task.CompletedTask;
    }

    // After the drain and the web server: until the last request ends, requests follow discovery.
    public Task StopAsync(CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _started = false;
        }

        return EndAllBut([]);
    }

    // The parameter's destinations are already resolved; the providers have them as configured. StopAsync awaits the task: this runs inside
    // YARP's reload, which must not wait for it.
    public void ConfigurationApplied(IReadOnlyList<IProxyConfig> proxyConfigs) =>
        EndAllBut([.. providers.SelectMany(p => p.GetConfig().Clusters).SelectMany(c => c.Destinations?.Values ?? []).Select(d => d.Address)]);

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
        var settings = new DiscoverySettings(options.Value, time, logger);
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
            // The configuration check rejects such an address. Throwing here would stop YARP from seeing any change for five minutes.
            return null;
        }
    }

    private Task EndAllBut(HashSet<string> configured)
    {
        lock (_lock)
        {
            List<DiscoverySource> ended = [.. _sources.Values.Where(s => !configured.Contains(s.Address))];
            foreach (var source in ended)
            {
                _sources.Remove(source.Address);
            }

            return _ending = Task.WhenAll([_ending, .. ended.Select(s => s.DisposeAsync().AsTask())]);
        }
    }
}
