using System.Collections.Concurrent;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Options;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Listeners;

/// <summary>The listeners of this process. The public ones can be closed while the others, and requests in flight, continue.</summary>
internal sealed class OpenListeners(
    IOptions<DrainOptions> drain, IOptions<ConnectionOptions> connections, TrustedProxies proxies, TimeProvider time)
{
    private readonly ConcurrentQueue<ListenerFeature> _all = [];
    private readonly ConcurrentQueue<IConnectionListener> _public = [];
    private readonly ClientSockets _sockets = new(ClientSockets.ReadFiles());
    private readonly Lock _lock = new();
    private ListenerFeature? _binding;
    private ITimer? _closing;

    public IEnumerable<ListenerFeature> All => _all;

    public IEnumerable<ListenerFeature> Public => _all.Where(l => l.Listener is Listener.Public);

    /// <summary>Whether the public listeners are closed or about to close.</summary>
    public bool Draining { get; private set; }

    /// <param name="name">The name of the Kestrel endpoint.</param>
    /// <param name="https">Whether its clients must begin with a TLS handshake.</param>
    /// <param name="options">Kestrel's options for the endpoint.</param>
    public void Add(string name, bool https, ListenOptions options)
    {
        var kind = name.ToUpperInvariant() switch
        {
            "HEALTH" => Listener.Health,
            "ADMIN" => Listener.Admin,
            _ => Listener.Public,
        };
        var listener = new ListenerFeature(name, kind, https, new(connections.Value, kind is Listener.Public ? proxies : null, time), _sockets);
        _all.Enqueue(listener);
        options.Use(next =>
        {
            _binding = listener;
            return next;
        });
    }

    /// <summary>
    /// Called for each new socket. Kestrel does not say which endpoint it belongs to, but binds one endpoint after another, and builds an
    /// endpoint's pipeline (see <see cref="Add"/>) right before binding it.
    /// </summary>
    public ListenerFeature? OnBound(IConnectionListener socket)
    {
        if (_binding?.Listener is Listener.Public)
        {
            _public.Enqueue(socket);
        }

        return _binding;
    }

    /// <summary>
    /// Closes the public listeners for good. New connections are refused; open ones finish their requests, and their clients are asked to
    /// close.
    /// </summary>
    /// <param name="graceful">Whether to keep accepting new connections for <see cref="DrainOptions.Time"/>.</param>
    public async Task DrainAsync(bool graceful)
    {
        Draining = true;
        foreach (var listener in Public)
        {
            listener.Draining = true;
        }

        if (!graceful)
        {
            await CloseAsync();
            return;
        }

        lock (_lock)
        {
            _closing ??= time.CreateTimer(_ => CloseAsync().GetAwaiter().GetResult(), null, drain.Value.Time, Timeout.InfiniteTimeSpan);
        }
    }

    private async Task CloseAsync()
    {
        while (_public.TryDequeue(out var socket))
        {
            await socket.UnbindAsync();
        }
    }
}

/// <summary>Unready while a public listener takes no connections.</summary>
internal sealed class ListenersHealthCheck(OpenListeners listeners) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var closed = listeners.Public.Where(l => l.Closed is not null).Select(l => $"{l.Name} {l.Closed}").ToList();
        return Task.FromResult(closed is [] ? HealthCheckResult.Healthy() : HealthCheckResult.Unhealthy(string.Join(", ", closed)));
    }
}
