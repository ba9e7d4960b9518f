using System.Net;
using System.Net.Sockets;
using System.Text;

namespace UserSvc.Tests.Infrastructure;

/// <summary>A client that can send any bytes. Text is Latin-1, one byte a character.</summary>
internal sealed class RawConnection : IDisposable
{
    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp);

    private RawConnection()
    {
    }

    /// <param name="server">Its port is dialled, on 127.0.0.1.</param>
    /// <param name="from">The client's own address; 127.0.0.1 if null.</param>
    /// <param name="receiveBuffer">How much the kernel keeps of what has not been read, roughly, in bytes; its own choice if null.</param>
    public static async Task<RawConnection> OpenAsync(Uri server, IPAddress? from = null, int? receiveBuffer = null)
    {
        var connection = new RawConnection();
        if (receiveBuffer is { } size)
        {
            connection._socket.ReceiveBufferSize = size;
        }

        connection._socket.Bind(new IPEndPoint(from ?? IPAddress.Loopback, 0));
        await connection._socket.ConnectAsync(IPAddress.Loopback, server.Port, TestContext.Current.CancellationToken);
        return connection;
    }

    /// <summary>Sends these bytes and reads until the server closes the connection; fails if it does not.</summary>
    public static async Task<string> ExchangeAsync(Uri server, string bytes)
    {
        try
        {
            using var connection = await OpenAsync(server);
            await connection.SendAsync(bytes);
            return await connection.ReadToEndAsync();
        }
        catch (SocketException failure) when (failure.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown)
        {
            // Reset before these bytes were sent.
            return "";
        }
    }

    public async Task SendAsync(string bytes) => await _socket.SendAsync(Encoding.Latin1.GetBytes(bytes), TestContext.Current.CancellationToken);

    public Task<string> ReadToEndAsync() => ReadUntilAsync(_ => false);

    /// <summary>Reads up to the end of an answer's head.</summary>
    public Task<string> ReadHeadAsync() => ReadUntilAsync(read => read.Contains("\r\n\r\n", StringComparison.Ordinal));

    /// <summary>Reads until the condition holds for what this call has read, or the connection is closed.</summary>
    public async Task<string> ReadUntilAsync(Func<string, bool> enough)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Eventually.Deadline);
        var read = new StringBuilder();
        var buffer = new byte[4096];
        try
        {
            while (!enough(read.ToString()) && await _socket.ReceiveAsync(buffer, limit.Token) is > 0 and var count)
            {
                read.Append(Encoding.Latin1.GetString(buffer, 0, count));
            }
        }
        catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            Assert.Fail($"The connection is still open after {Eventually.Deadline.TotalMinutes:0} minutes, with: {read}");
        }
        catch (SocketException failure) when (failure.SocketErrorCode == SocketError.ConnectionReset)
        {
            // The server closed the connection with unread bytes of ours.
        }

        return read.ToString();
    }

    public void Dispose() => _socket.Dispose();
}
