using System.Net;
using System.Net.Sockets;
using System.Text;

namespace UserSvc.Tests.Edge;

/// <summary>Answers every request with the same bytes and keeps the connection.</summary>
internal sealed class ScriptedUpstream : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _accepting;

    public ScriptedUpstream(string answer)
    {
        _listener.Start();
        _accepting = AcceptAsync(Encoding.Latin1.GetBytes(answer));
    }

    public string Address => $"http://{_listener.LocalEndpoint}";

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Stop();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private async Task AcceptAsync(byte[] answer)
    {
        while (true)
        {
            _ = AnswerAsync(await _listener.AcceptTcpClientAsync(_stopping.Token), answer);
        }
    }

    private async Task AnswerAsync(TcpClient client, byte[] answer)
    {
        using (client)
        {
            var buffer = new byte[8192];
            while (await client.GetStream().ReadAsync(buffer, _stopping.Token) > 0)
            {
                await client.GetStream().WriteAsync(answer, _stopping.Token);
            }
        }
    }
}
