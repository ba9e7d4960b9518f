using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using UserSvc.Edge.Listeners;
using UserSvc.Tests.Attacks;
using UserSvc.Tests.Edge.Admin;

namespace UserSvc.Tests.Edge;

/// <summary>Connections that the edge refuses, and those that it closes because nothing comes.</summary>
public sealed class ConnectionTests : IAsyncLifetime
{
    private const string Get = "GET /user/alice HTTP/1.1\r\nHost: x\r\n\r\n";
    private const string AskedToClose = "\r\nConnection: close\r\n";
    private const string Refusals = "cx_(overflow|overload_reject|address|handshake)|pre_cx|ssl|premature";

    private static readonly (string, string) AnyAddress = ("Edge:FairShares", "false");

    private readonly List<RawConnection> _connections = [];
    private readonly FakeTimeProvider _time = new();
    private Upstream _upstream = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _upstream = await Upstream.StartAsync();

    public ValueTask DisposeAsync()
    {
        _connections.ForEach(connection => connection.Dispose());
        return _upstream.DisposeAsync();
    }

    [Fact]
    public async Task PublicPort_AtItsLimit_ClosesOthersAndIsUnreadyUntilOneEnds()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], AnyAddress, ("Edge:Connections:Max", "5"));
        await OpenAsync(edge, 5);

        var refused = await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, "");
        var unready = (await edge.Health.AskAsync("/ready"), await edge.Health.AskAsync("/health"), await edge.Admin.AskAsync("/alive"));
        var counted = await edge.StatsAsync($"{Refusals}|^http.http.downstream_cx_active$");
        _connections[0].Dispose();
        await Eventually.HoldsAsync(async () => await edge.Health.AskAsync("/ready") == new Answer(200, "LIVE\n"));

        Assert.Equal(("", "http.http.downstream_cx_active: 5\nhttp.http.downstream_cx_overflow: 1\n"), (refused, counted));
        Assert.Equal(
            (new Answer(503, "PRE_INITIALIZING\n"), EdgeAnswers.Problem(503, "unavailable", "listeners: Http has 5 connections, its limit"), new Answer(200, "Healthy\n")),
            unready);
        Assert.Equal(new Answer(200, "usersvc-1"), await edge.Public.AskAsync("/user/alice"));
    }

    [Fact]
    public async Task Address_WithItsShareOfTheConnections_GetsNoMoreWhileAnotherDoes()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], ("Edge:Connections:Max", "10"));
        await OpenAsync(edge, 4);

        var refused = await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, Get);
        await OpenAsync(edge, 1, IPAddress.Parse("127.0.0.2"));
        var ready = await edge.Health.AskAsync("/ready");

        Assert.Equal(("", new Answer(200, "LIVE\n")), (refused, ready));
        Assert.Equal("http.http.downstream_cx_address_overflow: 1\n", await edge.StatsAsync(Refusals));
    }

    [Fact]
    public async Task Address_WithTooManyNewConnections_IsRefusedWhileAnotherIsServed()
    {
        await using var edge = await EdgeHost.ReadyAsync(_time, [_upstream], ("Edge:Connections:AddressPerSecond", "1"));
        await OpenAsync(edge, 10);

        var refused = await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, Get);
        await OpenAsync(edge, 1, IPAddress.Parse("127.0.0.2"));
        _time.Advance(TimeSpan.FromSeconds(10));
        await OpenAsync(edge, 1);

        Assert.Equal("", refused);
        Assert.Equal("http.http.downstream_cx_address_rate_limited: 1\n", await edge.StatsAsync(Refusals));
    }

    [Fact]
    public async Task Connection_ThatSendsNothing_IsClosedWhileOneThatHasBeenUsedStays()
    {
        await using var edge = await EdgeHost.ReadyAsync(_time, [_upstream]);
        await OpenAsync(edge, 1);
        using var silent = await RawConnection.OpenAsync(edge.Public.BaseAddress!);
        var closed = silent.ReadToEndAsync();

        await AdvanceUntilAsync(() => Task.FromResult(closed.IsCompleted), TimeSpan.FromSeconds(10));
        var used = await GetAsync(_connections[0]);

        Assert.Equal("", await closed);
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", used, StringComparison.Ordinal);
        Assert.Equal("http.http.downstream_pre_cx_timeout: 1\n", await edge.StatsAsync(Refusals));
    }

    [Fact]
    public async Task Connection_ThatSendsNothingAfterItsHandshake_IsClosed()
    {
        using var files = new PemFiles();
        files.Write(files.Issue("first"));
        await using var edge = await EdgeHost.ReadyAsync(_time, [_upstream], files.Settings);
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(IPAddress.Loopback, edge.Address("Https").Port, Cancellation);
        await using var tls = new SslStream(tcp.GetStream(), false, (_, certificate, _, _) => certificate is not null);
        await tls.AuthenticateAsClientAsync("localhost");
        var closed = tls.ReadAsync(new byte[1], Cancellation).AsTask();

        await AdvanceUntilAsync(() => Task.FromResult(closed.IsCompleted), TimeSpan.FromSeconds(10));

        Assert.Equal(0, await closed);
        Assert.Equal("http.https.downstream_pre_cx_timeout: 1\n", await edge.StatsAsync(Refusals));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\x16\x03\x01\x02\x00\x01")]
    public async Task Handshake_ThatIsNotCompletedInTime_EndsTheConnection(string begun)
    {
        using var files = new PemFiles();
        files.Write(files.Issue("first"));
        await using var edge = await EdgeHost.ReadyAsync([_upstream], [.. files.Settings, ("Edge:Https:HandshakeTimeout", "00:00:00.200")]);

        var answer = await RawConnection.ExchangeAsync(edge.Address("Https"), begun);

        Assert.Equal("", answer);
        await edge.SettlesAsync(Refusals, "http.https.ssl.connection_error: 1\n");
    }

    [Fact]
    public async Task Address_WithAsManyHandshakesAsAreFree_GetsNoMoreWhileAnotherDoes()
    {
        using var files = new PemFiles();
        files.Write(files.Issue("first"));
        await using var edge = await EdgeHost.ReadyAsync([_upstream], [.. files.Settings, ("Edge:Connections:MaxHandshakes", "4"), ("Edge:Https:HandshakeTimeout", "00:01:00")]);
        var https = edge.Address("Https");
        using var client = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellation) => await Loopback.ConnectAsync(0, 2, https.Port, cancellation),
            SslOptions = Loopback.Tls(SslApplicationProtocol.Http11),
        }) { BaseAddress = https };
        for (var i = 0; i < 2; i++)
        {
            _connections.Add(await RawConnection.OpenAsync(https));
        }

        await edge.SettlesAsync("https.downstream_cx_active", "http.https.downstream_cx_active: 2\n");
        var refused = await RawConnection.ExchangeAsync(https, "");
        var another = await client.AskAsync("/user/alice");
        _connections.ForEach(connection => connection.Dispose());
        // The other address's connection stays: its handshake has ended.
        await edge.SettlesAsync("https.downstream_cx_active", "http.https.downstream_cx_active: 1\n");
        _connections.Add(await RawConnection.OpenAsync(https));
        await edge.SettlesAsync("https.downstream_cx_active", "http.https.downstream_cx_active: 2\n");

        Assert.Equal(("", new Answer(200, "usersvc-1")), (refused, another));
        Assert.Equal("http.https.downstream_cx_handshake_overflow: 1\nhttp.https.ssl.connection_error: 2\n", await edge.StatsAsync(Refusals));
    }

    [Theory]
    [InlineData(false, "http.http2.downstream_rq_too_many_premature_resets: 1\n")]
    [InlineData(true, "http.http2.downstream_cx_active: 1\n")]
    public async Task Client_ThatResetsRequests_LosesItsConnectionUnlessAsManyAreAnswered(bool answered, string expected)
    {
        var arrived = new SemaphoreSlim(0);
        await using var upstream = await Upstream.StartAsync(answer: async context =>
        {
            if (context.Request.Path == "/user/slow")
            {
                arrived.Release();
                await Task.Delay(Timeout.InfiniteTimeSpan, context.RequestAborted).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        });
        await using var edge = await EdgeHost.ReadyAsync(
            [upstream], ("Kestrel:Endpoints:Http2:Url", "http://127.0.0.1:0"), ("Kestrel:Endpoints:Http2:Protocols", "Http2"), ("Edge:Connections:MaxResets", "2"));
        using var client = new HttpClient { BaseAddress = edge.Address("Http2"), DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };

        for (var i = 0; i < 3; i++)
        {
            using var leaving = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
            var slow = client.GetAsync("/user/slow", leaving.Token);
            await arrived.WaitAsync(Cancellation);
            await leaving.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => slow);
            await edge.SettlesAsync("http2.downstream_rq_active", "");
            if (answered)
            {
                using var answer = await client.GetAsync("/user/alice", Cancellation);
                Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            }
        }

        await edge.SettlesAsync("http2.downstream_(cx_active|rq_too)", expected);
    }

    [Fact]
    public async Task Memory_NearAndAtItsLimit_EndsKeepAliveAndThenRefusesNewConnections()
    {
        await using var edge = await EdgeHost.ReadyAsync(_time, [_upstream]);
        var (heap, ready) = (0.5, new Answer(200, "LIVE\n"));
        edge.Services.GetRequiredService<Overload>().ReadHeap = () => heap;

        heap = 0.86;
        await AdvanceUntilAsync(async () => (await GetAsync(edge)).Contains(AskedToClose, StringComparison.Ordinal));
        var near = (await GetAsync(edge), await edge.Health.AskAsync("/ready"));
        heap = 0.96;
        await AdvanceUntilAsync(async () => await edge.Health.AskAsync("/ready") != ready);
        var (refused, reason) = (await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, Get), await edge.Health.AskAsync("/health"));
        heap = 0.5;
        await AdvanceUntilAsync(async () => await edge.Health.AskAsync("/ready") == ready);
        var after = await GetAsync(edge);

        Assert.Equal((true, ready), (near.Item1.Contains(AskedToClose, StringComparison.Ordinal), near.Item2));
        Assert.Equal(("", EdgeAnswers.Problem(503, "unavailable", "listeners: Http refuses connections: memory is short")), (refused, reason));
        Assert.DoesNotContain(AskedToClose, after, StringComparison.Ordinal);
        Assert.Equal("http.http.downstream_cx_overload_reject: 1\n", await edge.StatsAsync(Refusals));
    }

    [Fact]
    public async Task Connections_NearTheLimit_AreAskedToClose()
    {
        await using var edge = await EdgeHost.ReadyAsync(_time, [_upstream], AnyAddress, ("Edge:Connections:Max", "20"));
        await OpenAsync(edge, 18);

        await AdvanceUntilAsync(async () => (await GetAsync(_connections[0])).Contains(AskedToClose, StringComparison.Ordinal));
    }

    // Each has had an answer, so the edge has counted it.
    private async Task OpenAsync(EdgeHost edge, int count, IPAddress? from = null)
    {
        for (var i = 0; i < count; i++)
        {
            var connection = await RawConnection.OpenAsync(edge.Public.BaseAddress!, from);
            _connections.Add(connection);
            Assert.StartsWith("HTTP/1.1 200 OK\r\n", await GetAsync(connection), StringComparison.Ordinal);
        }
    }

    private static async Task<string> GetAsync(EdgeHost edge)
    {
        using var connection = await RawConnection.OpenAsync(edge.Public.BaseAddress!);
        return await GetAsync(connection);
    }

    private static async Task<string> GetAsync(RawConnection connection)
    {
        await connection.SendAsync(Get);
        return await connection.ReadUntilAsync(read => read.EndsWith("0\r\n\r\n", StringComparison.Ordinal));
    }

    private Task AdvanceUntilAsync(Func<Task<bool>> condition, TimeSpan? step = null) => Eventually.HoldsAsync(async () =>
    {
        _time.Advance(step ?? TimeSpan.FromSeconds(1));
        return await condition();
    });
}
