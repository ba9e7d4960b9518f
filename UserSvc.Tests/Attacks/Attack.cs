using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;

namespace UserSvc.Tests.Attacks;

/// <summary>
/// What hostile clients do, from some addresses of the loopback network. Each client takes turns until the end: it connects, does harm and starts
/// over. Tests run each attack with few clients; <c>bench/attacks.sh</c> runs it in full.
/// </summary>
/// <param name="name">As in the benchmark's table.</param>
/// <param name="clients">Their number in the benchmark.</param>
internal abstract class Attack(string name, int clients)
{
    // Of all clients together, and of each at most one: refused clients that came back at once would be a flood of connections, which is another
    // attack, and on the attackers' own cores.
    private const int TurnsPerSecond = 2_000;

    private int _connections;
    private int _requests;
    private int _addresses;

    public string Name => name;

    public int Clients => clients;

    /// <summary>Whether it attacks the https listener, and so that listener's other clients.</summary>
    public virtual bool OverTls => false;

    /// <summary>The connections and the requests (of control frames, the frames) so far.</summary>
    public (int Connections, int Requests) Done => (Volatile.Read(ref _connections), Volatile.Read(ref _requests));

    public static Attack[] All() =>
    [
        new SlowHeads(), new SlowBodies(), new SlowReads(), new IdleSockets(), new TlsHandshakes(), new AbortedStreams(),
        .. ControlFrames.OfEachKind(), new Contention(), new HashFlood(), new HugeHeaders(), new StalledEvents(),
    ];

    /// <summary>Runs until the token is cancelled.</summary>
    public Task RunAsync(AttackTarget target, int clients, int addresses, CancellationToken ending)
    {
        _addresses = addresses;
        var start = TimeSpan.FromSeconds((double)clients / TurnsPerSecond);
        var shortestTurn = start > TimeSpan.FromSeconds(1) ? start : TimeSpan.FromSeconds(1);
        return Task.WhenAll(Enumerable.Range(0, clients).Select(RepeatAsync));

        async Task RepeatAsync(int client)
        {
            await Task.Delay(start * client / clients, ending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            while (!ending.IsCancellationRequested)
            {
                var turn = Task.Delay(shortestTurn, ending);
                try
                {
                    await TakeTurnAsync(target, client, ending);
                }
                catch (Exception end) when (end is IOException or SocketException or AuthenticationException or HttpRequestException or OperationCanceledException)
                {
                    // The edge refused or cut the connection, or the attack ends.
                }

                await turn.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    protected abstract Task TakeTurnAsync(AttackTarget target, int client, CancellationToken ending);

    protected void Count(int requests = 1) => Interlocked.Add(ref _requests, requests);

    protected async Task<Stream> ConnectAsync(Uri listener, int client, CancellationToken ending)
    {
        var connection = await Loopback.ConnectAsync(2, 1 + (client % _addresses), listener.Port, ending);
        Interlocked.Increment(ref _connections);
        return connection;
    }

    /// <summary>A TLS connection on which HTTP/2 has begun.</summary>
    protected async Task<Stream> ConnectHttp2Async(Uri listener, int client, CancellationToken ending)
    {
        var tls = new SslStream(await ConnectAsync(listener, client, ending));
        await tls.AuthenticateAsClientAsync(Loopback.Tls(SslApplicationProtocol.Http2), ending);
        await tls.WriteAsync(Http2Frame.Preface, ending);
        return tls;
    }

    protected HttpClient CreateHttpClient(Uri listener, int client) =>
        new(new SocketsHttpHandler { ConnectCallback = async (_, ending) => await ConnectAsync(listener, client, ending) }) { BaseAddress = listener };

    /// <summary>Discards what the edge sends until it closes the connection.</summary>
    protected static Task UntilClosedAsync(Stream connection, CancellationToken ending) => connection.CopyToAsync(Stream.Null, 256, ending);

    /// <summary>The same while this writes; returns when either ends.</summary>
    protected static async Task WriteAsync(Stream connection, Func<Task> write)
    {
        var reading = UntilClosedAsync(connection, CancellationToken.None);
        try
        {
            await write();
        }
        finally
        {
            await connection.DisposeAsync();
            await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
