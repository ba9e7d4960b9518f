using System.Net;
using System.Net.Security;
using System.Net.Sockets;

namespace UserSvc.Tests.Attacks;

/// <summary>
/// TLS handshakes that are begun and left. Half of the clients send all of their first message, so that the edge signs and answers; the others send
/// half of it.
/// </summary>
internal sealed class TlsHandshakes() : Attack("tls-handshakes", 10_050)
{
    private readonly Lazy<Task<byte[]>> _hello = new(RecordHelloAsync);

    public override bool OverTls => true;

    protected override async Task TakeTurnAsync(AttackTarget target, int client, CancellationToken ending)
    {
        var hello = await _hello.Value;
        await using var connection = await ConnectAsync(target.Https, client, ending);
        await connection.WriteAsync(hello.AsMemory(0, client % 2 == 0 ? hello.Length : hello.Length / 2), ending);
        Count();
        await UntilClosedAsync(connection, ending);
    }

    private static async Task<byte[]> RecordHelloAsync()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        using var tls = new SslStream(await Loopback.ConnectAsync(2, 1, ((IPEndPoint)listener.LocalEndpoint).Port, CancellationToken.None));
        using var server = await listener.AcceptTcpClientAsync();
        var handshake = tls.AuthenticateAsClientAsync(Loopback.Tls(SslApplicationProtocol.Http11), CancellationToken.None);
        // A record's header is five bytes, the last two of them its length.
        var record = new byte[16 * 1024];
        await server.GetStream().ReadExactlyAsync(record.AsMemory(0, 5));
        var length = (record[3] << 8) | record[4];
        await server.GetStream().ReadExactlyAsync(record.AsMemory(5, length));
        server.Close();
        await handshake.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return record[..(5 + length)];
    }
}
