using System.Net.Sockets;
using System.Text;

namespace UserSvc.Tests.Infrastructure;

/// <summary>Sends one request after the other on one connection, without waiting for answers, and reads these as fast as they come.</summary>
internal sealed class PipeliningClient : IAsyncDisposable
{
    private readonly TcpClient _connection = new();
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    /// <summary>False once the service has closed the connection.</summary>
    public bool IsRunning => !_running.IsCompleted;

    /// <summary>Returns when it has received 1 MB.</summary>
    public static async Task<PipeliningClient> StartAsync(Uri service, string path)
    {
        var client = new PipeliningClient();
        await client._connection.ConnectAsync(service.Host, service.Port, TestContext.Current.CancellationToken);
        var stream = client._connection.GetStream();
        var writing = client.WriteAsync(stream, Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat($"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n", 1_000))));
        await stream.ReadExactlyAsync(new byte[1_000_000], TestContext.Current.CancellationToken);
        client._running = Task.WhenAny(writing, stream.CopyToAsync(Stream.Null, client._stop.Token));
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _connection.Dispose();
        _stop.Dispose();
    }

    private async Task WriteAsync(NetworkStream stream, byte[] requests)
    {
        while (true)
        {
            await stream.WriteAsync(requests, _stop.Token);
        }
    }
}
