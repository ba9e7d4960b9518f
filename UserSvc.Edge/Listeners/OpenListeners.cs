using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Options;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Listeners;

/// <summary>The listeners of this process, and how the public ones are closed while the others and what is in flight go on.</summary>
internal sealed class OpenListeners(IOptions<DrainOptions> options, TimeProvider time)
{
    private readonly ConcurrentQueue<ListenerFeature> _all = [];
    private readonly ConcurrentQueue<IConnectionListener> _public = [];
    private readonly Lock _lock = new();
    private ListenerFeature? _binding;
    private ITimer? _closing;

    public IEnumerable<ListenerFeature> All => _all;

    /// <summary>Whether the public listeners are closed, or about to be.</summary>
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
    /// Kestrel tells nobody which endpoint a socket is for, but makes an endpoint's pipeline, see <see cref="Add"/>, right before it binds
    /// the endpoint, and one endpoint after the other.
    /// </summary>
    public void Bound(IConnectionListener socket)
    {
        if (_binding?.Listener is Listener.Public)
        {
            _public.Enqueue(socket);
        }
    }

    /// <summary>
    /// Closes the public listeners for good: new connections are refused, those that there are serve what is in flight and are asked to
    /// close at their next request.
    /// </summary>
    /// <param name="graceful">New connections are still taken for <see cref="DrainOptions.Time"/>.</param>
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

/// <summary>Kestrel's own sockets, each told to <see cref="OpenListeners"/>. Kestrel's way to unbind an endpoint cuts requests after 5 s.</summary>
internal sealed class ClosableSockets(OpenListeners listeners, IOptions<SocketTransportOptions> options, ILoggerFactory loggers)
    : IConnectionListenerFactory, IConnectionListenerFactorySelector
{
    private readonly SocketTransportFactory _sockets = new(options, loggers);

    public bool CanBind(EndPoint endpoint) => _sockets.CanBind(endpoint);

    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var socket = await _sockets.BindAsync(endpoint, cancellationToken);
        listeners.Bound(socket);
        return socket;
    }
}
