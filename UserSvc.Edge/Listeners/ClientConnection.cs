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
    private readonly ConnectionContext _connection;
    private readonly IPAddress? _client;
    private bool _handshaking;
    private int _resets;

    private ClientConnection(ListenerFeature listener, ConnectionContext connection, IPAddress? client) =>
        (_listener, _connection, _client, _handshaking) = (listener, connection, client, listener.IsHttps);

    /// <summary>Counts a connection that has been accepted, if it is within the listener's limits.</summary>
    public static bool TryOpen(ListenerFeature listener, ConnectionContext connection)
    {
        var client = (connection.RemoteEndPoint as IPEndPoint)?.Address;
        var refusal = listener.Overloaded ? ConnectionRefusal.Overload
            : listener.Listener is Listener.Public && listener.Sockets.AreUsedUp ? ConnectionRefusal.NoSockets
            : listener.Limits.Open(client);
        if (refusal is null && listener.IsHttps && !listener.Limits.BeginHandshake(client))
        {
            listener.Limits.Close(client);
            refusal = ConnectionRefusal.Handshakes;
        }

        if (refusal is { } reason)
        {
            listener.Statistics.Refused(reason).Increment();
            return false;
        }

        listener.Statistics.Open();
        listener.Sockets.Open();
        var opened = new ClientConnection(listener, connection, client);
        connection.Features.Set(listener);
        connection.Features.Set(opened);
        connection.ConnectionClosed.UnsafeRegister(static state => ((ClientConnection)state!).Close(), opened);
        return true;
    }

    /// <summary>Waits for the client's first byte, after its TLS handshake. A client that sends nothing for too long is closed.</summary>
    public static ConnectionDelegate AwaitFirstByte(ConnectionDelegate next, TimeSpan limit, TimeProvider time) => connection =>
    {
        var opened = connection.Features.Get<ClientConnection>();
        opened?.EndHandshake();
        var input = connection.Transport.Input;
        if (input.TryRead(out var read))
        {
            input.AdvanceTo(read.Buffer.Start);
            return next(connection);
        }

        return opened is null ? next(connection) : opened.AwaitFirstByteAsync(connection, next, limit, time);
    };

    /// <summary>
    /// Called at the end of a request. A client that resets requests costs the edge more than itself, so a connection on which such requests
    /// outnumber the answered ones by too many is closed.
    /// </summary>
    public static void CountReset(HttpContext context)
    {
        if (!HttpProtocol.IsHttp2(context.Request.Protocol) || context.Features.Get<ClientConnection>() is not { } client)
        {
            return;
        }

        if (context.Response.HasStarted)
        {
            // Not below zero, or answered requests would save up for an attack.
            if (Volatile.Read(ref client._resets) > 0)
            {
                Interlocked.Decrement(ref client._resets);
            }
        }
        else if (client._listener.Limits.IsOneTooMany(Interlocked.Increment(ref client._resets), client._client) && !client._connection.ConnectionClosed.IsCancellationRequested)
        {
            client._listener.Statistics.Refused(ConnectionRefusal.Resets).Increment();
            client._connection.Abort(new ConnectionAbortedException("The client reset too many requests."));
        }
    }

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
        if (EndHandshake())
        {
            _listener.Statistics.Refused(ConnectionRefusal.NoHandshake).Increment();
        }
    }

    // By the handshake or by the connection's end, whichever comes first.
    private bool EndHandshake()
    {
        var ends = Interlocked.Exchange(ref _handshaking, false);
        if (ends)
        {
            _listener.Limits.EndHandshake(_client);
        }

        return ends;
    }
}
