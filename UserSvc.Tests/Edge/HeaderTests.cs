using Microsoft.AspNetCore.Http.Features;

namespace UserSvc.Tests.Edge;

/// <summary>Which headers pass the edge, and which it sets itself.</summary>
public sealed class HeaderTests : IAsyncLifetime
{
    private static readonly string[] EdgesOwn =
        ["Host", "Via", "x-envoy-attempt-count", "x-envoy-external-address", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Request-ID"];

    private Upstream _upstream = null!;

    public async ValueTask InitializeAsync() => _upstream = await Upstream.StartAsync();

    public ValueTask DisposeAsync() => _upstream.DisposeAsync();

    [Fact]
    public async Task HopByHopHeaders_OfTheClient_EndAtTheEdge()
    {
        var received = await AskAsync(
            [
                ("Connection", "X-Mine, TE"),
                ("Connection", "X-Other"),
                ("Keep-Alive", "timeout=5"),
                ("X-Other", "3"),
                ("Proxy-Connection", "keep-alive"),
                ("Proxy-Authorization", "Basic eDp5"),
                ("TE", "trailers"),
                ("Trailer", "X-Sum"),
                ("X-Mine", "1"),
                ("X-Yours", "2"),
            ]);

        Assert.Equal([.. EdgesOwn, "X-Yours"], received.Keys.Order(StringComparer.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task ConnectionHeader_NominatingWhatIsForTheUpstream_RemovesNothing()
    {
        var received = await AskAsync(
            [
                ("Connection", "Authorization, Cookie, Host, Content-Length, X-Request-Id, X-Forwarded-For, x-envoy-external-address, traceparent"),
                ("Authorization", "Basic eDp5"),
                ("Cookie", "a=b"),
                ("X-Request-Id", "mine"),
                ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
            ]);

        Assert.Equal([.. EdgesOwn, "Authorization", "Cookie", "traceparent"], received.Keys.OrderByDescending(EdgesOwn.Contains).ThenBy(k => k, StringComparer.OrdinalIgnoreCase));
        Assert.Equal(("mine", "Basic eDp5"), (received["X-Request-Id"], received["Authorization"]));
    }

    [Fact]
    public async Task UpstreamsAnswer_WithHeadersOfItsConnection_LosesThem()
    {
        await using var upstream = await Upstream.StartAsync(answer: context =>
        {
            context.Response.Headers.Connection = "X-Mine, Content-Length";
            context.Response.Headers["Keep-Alive"] = "timeout=5";
            context.Response.Headers["X-Mine"] = "1";
            context.Response.Headers["X-Yours"] = "2";
            context.Response.ContentLength = 0;
            return Task.CompletedTask;
        });
        await using var edge = await EdgeHost.ReadyAsync([upstream]);

        using var response = await edge.Public.GetAsync("/user/alice", TestContext.Current.CancellationToken);

        Assert.Equal(["Content-Length", "Date", "Via", "X-Request-ID", "X-Yours"], response.Headers.Concat(response.Content.Headers).Select(h => h.Key).Order());
    }

    [Fact]
    public async Task Headers_OfAStrangerThatOnlyAProxyMaySet_AreReplacedOrRemoved()
    {
        var received = await AskAsync(
            [
                ("Forwarded", "for=6.6.6.6"),
                ("X-Forwarded-For", "6.6.6.6"),
                ("X-Forwarded-Host", "evil.example"),
                ("X-Forwarded-Port", "666"),
                ("X-Forwarded-Prefix", "/evil"),
                ("X-Forwarded-Proto", "https"),
                ("x-envoy-attempt-count", "100"),
                ("x-envoy-max-retries", "100"),
                ("X-Envoy-External-Address", "6.6.6.6"),
            ]);

        Assert.Equal(EdgesOwn, received.Keys.Order(StringComparer.OrdinalIgnoreCase));
        Assert.Equal(("127.0.0.1", "x.example:81", "http"), Forwarded(received));
        Assert.Equal(("1", "127.0.0.1"), (received["x-envoy-attempt-count"], received["x-envoy-external-address"]));
    }

    [Theory]
    [InlineData("127.0.0.1", null, "127.0.0.1")]
    [InlineData("127.0.0.0/8", "9.9.9.9", "9.9.9.9, 127.0.0.1")]
    [InlineData("127.0.0.1", "6.6.6.6, 9.9.9.9", "6.6.6.6, 9.9.9.9, 127.0.0.1")]
    [InlineData("127.0.0.1", "nonsense", "nonsense, 127.0.0.1")]
    [InlineData("10.0.0.0/8", "9.9.9.9", "127.0.0.1")]
    [InlineData("fd00::/8", "9.9.9.9", "127.0.0.1")]
    public async Task ForwardedFor_FromAProxy_IsAppendedToWhereItIsTrusted(string trusted, string? said, string forwarded)
    {
        var received = await AskAsync(said is null ? [] : [("X-Forwarded-For", said)], ("Edge:TrustedProxies:0", trusted));

        Assert.Equal((forwarded, "x.example:81", "http"), Forwarded(received));
    }

    [Theory]
    [InlineData("https", "user.example", "user.example", "https")]
    [InlineData("http, HTTPS", "user.example:8443", "user.example:8443", "https")]
    [InlineData("https, http", "[fd00::1]:80", "[fd00::1]:80", "http")]
    [InlineData("gopher", "a b", "x.example:81", "http")]
    [InlineData("", "user.example/path", "x.example:81", "http")]
    public async Task ForwardedHostAndProto_FromATrustedProxy_AreKeptWhereWellFormed(string proto, string host, string forwardedHost, string forwardedProto)
    {
        var received = await AskAsync([("X-Forwarded-Proto", proto), ("X-Forwarded-Host", host), ("x-envoy-a", "b")], ("Edge:TrustedProxies:0", "127.0.0.1"));

        Assert.Equal(("127.0.0.1", forwardedHost, forwardedProto), Forwarded(received));
        Assert.Equal("b", received["x-envoy-a"]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("load-balancer")]
    [InlineData("10.0.0.0/33")]
    public async Task TrustedProxies_WithSomethingElseThanANetwork_StopTheStart(string proxy)
    {
        var failure = await Record.ExceptionAsync(() => EdgeHost.StartAsync([("usersvc-1", _upstream.Address)], ("Edge:TrustedProxies:0", proxy)));

        Assert.Equal("Edge:TrustedProxies must be addresses or networks, such as 10.1.2.3 or 10.0.0.0/8", failure?.Message);
    }

    [Theory]
    [InlineData("websocket", "101 Switching Protocols")]
    [InlineData("h2c", "200 OK")]
    public async Task Upgrade_ThroughTheEdge_IsOneToAWebSocketOnly(string protocol, string status)
    {
        await using var upstream = await Upstream.StartAsync(answer: async context =>
        {
            if (context.Features.Get<IHttpUpgradeFeature>() is { IsUpgradableRequest: true } upgrade)
            {
                context.Response.Headers.Upgrade = context.Request.Headers.Upgrade;
                await using var stream = await upgrade.UpgradeAsync();
                await stream.WriteAsync("hello"u8.ToArray());
            }
        });
        await using var edge = await EdgeHost.ReadyAsync([upstream]);

        using var connection = await RawConnection.OpenAsync(edge.Public.BaseAddress!);
        await connection.SendAsync($"GET /user/alice HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n");
        var answer = await connection.ReadHeadAsync();

        Assert.Equal($"HTTP/1.1 {status}", answer.Split("\r\n")[0]);
    }

    [Fact]
    public async Task Host_ThatNoRouteHas_Is404AndProbesAreNotAsked()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], ("ReverseProxy:Routes:user:Match:Hosts:0", "user.example"));
        using var named = new HttpRequestMessage(HttpMethod.Get, "/user/alice") { Headers = { Host = "user.example" } };

        var byName = await edge.Public.AskAsync(named);
        var byAddress = await edge.Public.AskAsync("/user/alice");
        var probe = await edge.Health.AskAsync("/ready");

        Assert.Equal((new Answer(200, "usersvc-1"), EdgeAnswers.NotFound, new Answer(200, "LIVE\n")), (byName, byAddress, probe));
    }

    /// <summary>The request's headers as the upstream has received them.</summary>
    private async Task<IReadOnlyDictionary<string, string>> AskAsync(IEnumerable<(string Name, string Value)> headers, params IEnumerable<(string Key, string Value)> settings)
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], settings);
        var lines = string.Concat(headers.Select(h => $"{h.Name}: {h.Value}\r\n"));
        using var connection = await RawConnection.OpenAsync(edge.Public.BaseAddress!);
        await connection.SendAsync($"GET /user/alice HTTP/1.1\r\nHost: x.example:81\r\n{lines}\r\n");
        Assert.StartsWith("HTTP/1.1 200 OK", await connection.ReadHeadAsync(), StringComparison.Ordinal);
        return _upstream.Requests.Single().Headers;
    }

    private static (string For, string Host, string Proto) Forwarded(IReadOnlyDictionary<string, string> received) =>
        (received["X-Forwarded-For"], received["X-Forwarded-Host"], received["X-Forwarded-Proto"]);
}
