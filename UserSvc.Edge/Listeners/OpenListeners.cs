using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Options;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Listeners;

/// <summary>The listeners of this process. The public ones can be closed while the others, and requests in flight, continue.</summary>
internal sealed class OpenListeners(IOptions<DrainOptions> options, TimeProvider time)
{
    private readonly ConcurrentQueue<ListenerFeature> _all = [];
    private readonly ConcurrentQueue<IConnectionListener> _public = [];
    private readonly Lock _lock = new();
    private ListenerFeature? _binding;
    private ITimer? _closing;

    public IEnumerable<ListenerFeature> All => _all;

    /// <summary>Whether the public listeners are closed or about to close.</summary>
    public bool Draining { get; private set; }

    public void Add(string name, ListenOptions options)
    {
        var listener = new ListenerFeature(name, name.ToUpperInvariant() switch
        {
            "HEALTH" => Listener.Health,
            "ADMIN" => Listener.Admin,
            _ => Listener.Public,
        });
        _all.Enqueue(listener);
        options.Use(next =>
        {
            _binding = listener;
            return async connection =>
            {
                connection.Features.Set(listener);
                listener.Statistics.Open();
                try
                {
                    await next(connection);
                }
                finally
                {
                    listener.Statistics.Close();
                }
            };
        });
    }

    /// <summary>
    /// Called for each new socket. Kestrel does not say which endpoint it belongs to, but binds one endpoint after another, and builds an
    /// endpoint's pipeline (see <see cref="Add"/>) right before binding it.
    /// </summary>
    public void OnBound(IConnectionListener socket)
    {
        if (_binding?.Listener is Listener.Public)
        {
            _public.Enqueue(socket);
        }
    }

    /// <summary>
    /// Closes the public listeners for good. New connections are refused; open ones finish their requests, and their clients are asked to
    /// close.
    /// </summary>
    /// <param name="graceful">Whether to keep accepting new connections for <see cref="DrainOptions.Time"/>.</param>
    public async Task DrainAsync(bool graceful)
    {
        Draining = true;
        foreach (var listener in _all.Where(l => l.Listener is Listener.Public))
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
            _closing ??= time.CreateTimer(_ => CloseAsync().GetAwaiter().GetResult(), null, options.Value.Time, Timeout.InfiniteTimeSpan);
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

/// <summary>
/// Reports Kestrel's sockets to <see cref="OpenListeners"/>, which can then close them alone: Kestrel itself, when it unbinds an endpoint,
/// cuts requests after 5 s.
/// </summary>
internal sealed class ClosableSockets(OpenListeners listeners, IOptions<SocketTransportOptions> options, ILoggerFactory loggers)
    : IConnectionListenerFactory, IConnectionListenerFactorySelector
{
    private readonly SocketTransportFactory _sockets = new(options, loggers);

    public bool CanBind(EndPoint endpoint) => _sockets.CanBind(endpoint);

    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var socket = await _sockets.BindAsync(endpoint, cancellationToken);
        listeners.OnBound(socket);
        return socket;
    }
}
