using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using UserSvc.Edge.Statistics;

namespace UserSvc.Edge.Listeners;

/// <summary>
/// A feature of every connection. It counts from its accept until the transport has closed the socket: the task that Kestrel runs for a
/// connection may never end when the client aborts HTTP/2 streams.
/// </summary>
internal sealed class ClientConnection
{
    private readonly ListenerFeature _listener;
    private readonly EndPoint? _client;
    private bool _established;

    private ClientConnection(ListenerFeature listener, EndPoint? client) => (_listener, _client) = (listener, client);

    /// <summary>Counts a connection that has been accepted, if it is within the listener's limits.</summary>
    public static bool TryOpen(ListenerFeature listener, ConnectionContext connection)
    {
        var refusal = listener.Overloaded ? ConnectionRefusal.Overload
            : listener.Listener is Listener.Public && listener.Sockets.AreUsedUp ? ConnectionRefusal.NoSockets
            : listener.Limits.Open(connection.RemoteEndPoint);
        if (refusal is { } reason)
        {
            listener.Statistics.Refused(reason).Increment();
            return false;
        }

        listener.Statistics.Open();
        listener.Sockets.Open();
        var opened = new ClientConnection(listener, connection.RemoteEndPoint);
        connection.Features.Set(listener);
        connection.Features.Set(opened);
        connection.ConnectionClosed.UnsafeRegister(static state => ((ClientConnection)state!).Close(), opened);
        return true;
    }

    /// <summary>Waits for the client's first byte, after its TLS handshake. A client that sends nothing for too long is closed.</summary>
    public static ConnectionDelegate AwaitFirstByte(ConnectionDelegate next, TimeSpan limit, TimeProvider time) => connection =>
    {
        var opened = connection.Features.Get<ClientConnection>();
        opened?._established = true;
        var input = connection.Transport.Input;
        if (input.TryRead(out var read))
        {
            input.AdvanceTo(read.Buffer.Start);
            return next(connection);
        }

        return opened is null ? next(connection) : opened.AwaitFirstByteAsync(connection, next, limit, time);
    };

    private async Task AwaitFirstByteAsync(ConnectionContext connection, ConnectionDelegate next, TimeSpan limit, TimeProvider time)
    {
        var input = connection.Transport.Input;
        var silent = false;
        // Kestrel asks idle connections to close when it stops.
        using (connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested.Register(input.CancelPendingRead))
        using (time.CreateTimer(_ => { silent = true; input.CancelPendingRead(); }, null, limit, Timeout.InfiniteTimeSpan))
        {
            try
            {
                var read = await input.ReadAsync();
                input.AdvanceTo(read.Buffer.Start);
                if (read.IsCanceled || (read.IsCompleted && read.Buffer.IsEmpty))
                {
                    if (silent)
                    {
                        _listener.Statistics.Refused(ConnectionRefusal.Silent).Increment();
                    }

                    return;
                }
            }
            catch (Exception failure) when (failure is IOException or OperationCanceledException)
            {
                // The client or the edge cut the connection.
                return;
            }
        }

        await next(connection);
    }

    private void Close()
    {
        _listener.Limits.Close(_client);
        _listener.Statistics.Close();
        _listener.Sockets.Close();
        if (_listener.IsHttps && !_established)
        {
            _listener.Statistics.Refused(ConnectionRefusal.NoHandshake).Increment();
        }
    }
}
