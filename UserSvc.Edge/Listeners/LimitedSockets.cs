using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Options;

namespace UserSvc.Edge.Listeners;

/// <summary>
/// Kestrel's sockets, with the edge's limits at accept, and known to <see cref="OpenListeners"/>, which can then close the public ones alone:
/// Kestrel itself, when it unbinds an endpoint, cuts requests after 5 s.
/// </summary>
internal sealed class LimitedSockets(OpenListeners listeners, IOptions<SocketTransportOptions> options, ILoggerFactory loggers)
    : IConnectionListenerFactory, IConnectionListenerFactorySelector
{
    private readonly SocketTransportFactory _sockets = new(options, loggers);

    public bool CanBind(EndPoint endpoint) => _sockets.CanBind(endpoint);

    public async ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var socket = await _sockets.BindAsync(endpoint, cancellationToken);
        return listeners.OnBound(socket) is { } listener ? new LimitedSocket(socket, listener, loggers.CreateLogger<LimitedSocket>()) : socket;
    }
}

internal sealed partial class LimitedSocket(IConnectionListener socket, ListenerFeature listener, ILogger<LimitedSocket> logger) : IConnectionListener
{
    public EndPoint EndPoint => socket.EndPoint;

    public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            while (await socket.AcceptAsync(cancellationToken) is { } connection)
            {
                if (ClientConnection.TryOpen(listener, connection))
                {
                    return connection;
                }

                connection.Abort();
                // Not awaited: it ends on the thread pool, and a busy pool must not slow down the next accept.
                _ = connection.DisposeAsync().AsTask();
            }

            return null;
        }
        catch (Exception failure)
        {
            // Kestrel never accepts again.
            listener.Failed = true;
            LogFailed(logger, listener.Name, failure);
            throw;
        }
    }

    public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => socket.UnbindAsync(cancellationToken);

    public ValueTask DisposeAsync() => socket.DisposeAsync();

    [LoggerMessage(Level = LogLevel.Critical, Message = "Listener {Listener} has stopped accepting connections; restart the edge")]
    private static partial void LogFailed(ILogger logger, string listener, Exception failure);
}
