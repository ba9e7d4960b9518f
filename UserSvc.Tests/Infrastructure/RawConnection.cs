using System.Net;
using System.Net.Sockets;
using System.Text;

namespace UserSvc.Tests.Infrastructure;

/// <summary>A client that sends any bytes at all. Text is sent as Latin-1, a byte a character.</summary>
internal sealed class RawConnection : IDisposable
{
    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp);

    private RawConnection()
    {
    }

    public static async Task<RawConnection> OpenAsync(Uri server)
    {
        var connection = new RawConnection();
        await connection._socket.ConnectAsync(IPAddress.Loopback, server.Port, TestContext.Current.CancellationToken);
        return connection;
    }

    /// <summary>What the server answers to these bytes until it closes the connection; fails when it does not.</summary>
    public static async Task<string> ExchangeAsync(Uri server, string bytes)
    {
        using var connection = await OpenAsync(server);
        await connection.SendAsync(bytes);
        return await connection.ReadToEndAsync();
    }

    public async Task SendAsync(string bytes) => await _socket.SendAsync(Encoding.Latin1.GetBytes(bytes), TestContext.Current.CancellationToken);

    public Task<string> ReadToEndAsync() => ReadUntilAsync(_ => false);

    /// <summary>Reads up to the end of an answer without a body, or the head of one with a body.</summary>
    public Task<string> ReadHeadAsync() => ReadUntilAsync(read => read.Contains("\r\n\r\n", StringComparison.Ordinal));

    /// <summary>Reads until this holds of all that has been read here, or the connection is closed.</summary>
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
            // Closed with bytes of ours unread.
        }

        return read.ToString();
    }

    public void Dispose() => _socket.Dispose();
}
