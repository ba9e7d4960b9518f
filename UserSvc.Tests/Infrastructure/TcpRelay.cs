using System.Net;
using System.Net.Sockets;

namespace UserSvc.Tests.Infrastructure;

/// <summary>A relay to a server on loopback. It can freeze (connections stay, but nothing passes) or vanish.</summary>
internal sealed class TcpRelay : IAsyncDisposable
{
    private const int Backlog = 64;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _vanishing = new();
    private readonly List<Socket> _queue = [];
    private readonly int _target;
    private readonly Task _accepting;
    private volatile TaskCompletionSource _open = new();
    private int _connections, _asked;

    public TcpRelay(int target)
    {
        _target = target;
        _open.SetResult();
        _listener.Start(Backlog);
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Connections accepted so far.</summary>
    public int Connections => Volatile.Read(ref _connections);

    /// <summary>How often a client has sent something, forwarded or not.</summary>
    public int Asked => Volatile.Read(ref _asked);

    public void Freeze() => _open = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Acts like a machine that is gone: connections stay silent, and a full accept queue leaves new ones without an answer.</summary>
    public async Task VanishAsync()
    {
        Freeze();
        await _vanishing.CancelAsync();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // The queue holds one more than the backlog. If others are in it already, the system drops some of ours.
        for (var i = 0; i <= Backlog; i++)
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            _queue.Add(socket);
            _ = socket.ConnectAsync(IPAddress.Loopback, Port);
        }

        await Eventually.HoldsAsync(() => Task.FromResult(LinuxProcess.NotAccepted(Port) > Backlog));
    }

    public void Thaw() => _open.SetResult();

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _vanishing.CancelAsync();
        _queue.ForEach(s => s.Dispose());
        _listener.Stop();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
        _vanishing.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            var client = await _listener.AcceptTcpClientAsync(_vanishing.Token);
            Interlocked.Increment(ref _connections);
            _ = RelayAsync(client);
        }
    }

    private async Task RelayAsync(TcpClient client)
    {
        using var server = new TcpClient();
        using (client)
        {
            await server.ConnectAsync(IPAddress.Loopback, _target, _stopping.Token);
            await Task.WhenAny(
                PassAsync(client.GetStream(), server.GetStream(), () => Interlocked.Increment(ref _asked)),
                PassAsync(server.GetStream(), client.GetStream(), () => { }));
        }
    }

    private async Task PassAsync(NetworkStream from, NetworkStream to, Action received)
    {
        var buffer = new byte[16 * 1024];
        while (await from.ReadAsync(buffer, _stopping.Token) is > 0 and var count)
        {
            received();
            await _open.Task.WaitAsync(_stopping.Token);
            await to.WriteAsync(buffer.AsMemory(0, count), _stopping.Token);
        }
    }
}
