using Microsoft.AspNetCore.Http;
using UserSvc.Tests.Edge.Sidecar;

namespace UserSvc.Tests.Edge;

/// <summary>What RFC 9110 asks of a proxy: Via, Max-Forwards, Expect; and codings that it does not know.</summary>
public sealed class HopTests() : OneUpstreamTests(RawHttp2.Listener)
{
    [Theory]
    [InlineData("HTTP/1.1", "", "1.1 edge")]
    [InlineData("HTTP/1.0", "", "1.0 edge")]
    [InlineData("HTTP/1.1", "Via: 1.0 fred, 2 p.example\r\n", "1.0 fred, 2 p.example, 1.1 edge")]
    [InlineData("HTTP/1.1", "Connection: close, Via\r\nVia: 1.0 fred\r\n", "1.0 fred, 1.1 edge")]
    public async Task Via_OfARequest_EndsWithTheEdge(string version, string headers, string expected)
    {
        await SendAsync($"GET /user/alice {version}\r\nHost: x\r\n{headers}\r\n");

        Assert.Equal(expected, _upstream.Requests.Single().Headers["Via"]);
    }

    [Fact]
    public async Task Via_OfARequestOverHttp2_NamesThatVersion()
    {
        await RawHttp2.AskAsync(_edge.Address("Http2"), [(":method", "GET"), (":scheme", "http"), (":path", "/user/alice"), (":authority", "x")]);

        Assert.Equal("2 edge", _upstream.Requests.Single().Headers["Via"]);
    }

    [Fact]
    public async Task Via_ThroughASidecar_NamesBothProxiesBothWays()
    {
        await using var instance = await Upstream.StartAsync(answer: context =>
        {
            context.Response.Headers.Via = "1.1 cache";
            return context.Response.WriteAsync("hello");
        });
        await using var sidecar = await SidecarHost.ReadyAsync(instance.Address);
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", sidecar.Public.BaseAddress!.ToString())]);

        using var answer = await edge.Public.GetAsync("/user/alice", TestContext.Current.CancellationToken);

        Assert.Equal(("1.1 edge, 1.1 usersvc-sidecar", "1.1 cache, 1.1 usersvc-sidecar, 1.1 edge"), (instance.Requests.Single().Headers["Via"], answer.Headers.Via.ToString()));
    }

    [Fact]
    public async Task Via_OfARouteThatRemovesIt_IsGoneBothWays()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], ("ReverseProxy:Routes:user:Transforms:1:RequestHeaderRemove", "Via"), ("ReverseProxy:Routes:user:Transforms:2:ResponseHeaderRemove", "Via"));

        using var answer = await edge.Public.GetAsync("/user/alice", TestContext.Current.CancellationToken);

        Assert.Equal((false, false), (_upstream.Requests.Single().Headers.ContainsKey("Via"), answer.Headers.Contains("Via")));
    }

    [Fact]
    public async Task Via_OfTheEdgesOwnAnswer_IsNotThere()
    {
        using var answer = await _edge.Public.GetAsync("/nothing", TestContext.Current.CancellationToken);

        Assert.Empty(answer.Headers.Via);
    }

    [Theory]
    [InlineData("OPTIONS", "0", "204 No Content", null)]
    [InlineData("OPTIONS", "00", "204 No Content", null)]
    [InlineData("OPTIONS", "1", "200 OK", "0")]
    [InlineData("OPTIONS", "4294967295", "200 OK", "4294967294")]
    [InlineData("OPTIONS", "99999999999", "200 OK", "4294967294")]
    [InlineData("OPTIONS", "-1", "400 Bad Request", null)]
    [InlineData("OPTIONS", "", "400 Bad Request", null)]
    [InlineData("OPTIONS", "1, 1", "400 Bad Request", null)]
    [InlineData("TRACE", "0", "501 Not Implemented", null)]
    [InlineData("TRACE", "2", "200 OK", "1")]
    [InlineData("GET", "0", "200 OK", "0")]
    [InlineData("PUT", "7", "200 OK", "7")]
    public async Task MaxForwards_OfThisMethod_IsCountedDownWhereItSays(string method, string left, string status, string? forwarded)
    {
        var answer = await SendAsync($"{method} /user/alice HTTP/1.1\r\nHost: x\r\nMax-Forwards: {left}\r\n\r\n");

        Assert.Equal($"HTTP/1.1 {status}", answer.Split("\r\n")[0]);
        Assert.Equal(forwarded is null ? [] : [forwarded], _upstream.Requests.Select(r => r.Headers["Max-Forwards"]));
    }

    [Theory]
    [InlineData("gzip, chunked")]
    [InlineData("identity, chunked")]
    [InlineData("x-mine;a=b, Chunked")]
    [InlineData("gzip\r\nTransfer-Encoding: chunked")]
    public async Task TransferCoding_BesideChunked_Is501(string coding)
    {
        var answer = await RawConnection.ExchangeAsync(_edge.Public.BaseAddress!, $"POST /user/alice HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: {coding}\r\n\r\n0\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 501 Not Implemented\r\n", answer, StringComparison.Ordinal);
        Assert.EndsWith(EdgeAnswers.Problem(501, "not_implemented", "The only supported Transfer-Encoding is chunked.").Body, answer, StringComparison.Ordinal);
        Assert.Empty(_upstream.Requests);
    }

    [Theory]
    [InlineData("100-continue")]
    [InlineData("100-Continue")]
    public async Task Expect_OfARequestThatWaits_IsAnsweredByTheEdge(string expectation)
    {
        using var connection = await RawConnection.OpenAsync(_edge.Public.BaseAddress!);
        await connection.SendAsync($"PUT /user/alice HTTP/1.1\r\nHost: x\r\nExpect: {expectation}\r\nContent-Length: 5\r\n\r\n");
        var first = await connection.ReadHeadAsync();
        await connection.SendAsync("hello");
        var last = await connection.ReadHeadAsync();

        Assert.Equal(("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK", 5), (first, last.Split("\r\n")[0], _upstream.Requests.Single().BodyLength));
    }

    // RFC 9110, 10.1.1: a client of HTTP/1.0 is never told to continue; an expectation that the edge does not know passes.
    [Theory]
    [InlineData("HTTP/1.0", "100-continue")]
    [InlineData("HTTP/1.1", "something")]
    public async Task Expect_OfAnotherKind_IsNot(string version, string expectation)
    {
        var answer = await SendAsync($"PUT /user/alice {version}\r\nHost: x\r\nExpect: {expectation}\r\nContent-Length: 5\r\n\r\nhello");

        Assert.Equal(("HTTP/1.1 200 OK", 5), (answer.Split("\r\n")[0], _upstream.Requests.Single().BodyLength));
    }

    [Theory]
    [InlineData("100 Continue")]
    [InlineData("103 Early Hints")]
    public async Task InterimAnswer_OfAnUpstream_IsFollowedByTheLastOne(string interim)
    {
        await using var upstream = new ScriptedUpstream($"HTTP/1.1 {interim}\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", upstream.Address)], ($"{EdgeHost.Probing}:Enabled", "false"));

        var answer = await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, "GET /user/alice HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

        Assert.Equal(("HTTP/1.1 200 OK", "ok", 1), (answer.Split("\r\n")[0], answer.Split("\r\n\r\n")[1], answer.Split("HTTP/1.1").Length - 1));
    }

    [Theory]
    [InlineData("OPTIONS * HTTP/1.1", "204 No Content")]
    [InlineData("OPTIONS /nothing HTTP/1.1", "404 Not Found")]
    public async Task Options_OfTheEdgeItself_AreNone(string line, string status)
    {
        var answer = await SendAsync($"{line}\r\nHost: x\r\n\r\n");

        Assert.Equal(($"HTTP/1.1 {status}", 0), (answer.Split("\r\n")[0], _upstream.Requests.Count));
    }

    [Fact]
    public async Task Connect_ToTheEdge_IsRefused()
    {
        var answer = await RawConnection.ExchangeAsync(_edge.Public.BaseAddress!, "CONNECT x.example:443 HTTP/1.1\r\nHost: x.example:443\r\nConnection: close\r\n\r\n");

        Assert.Equal("HTTP/1.1 404 Not Found", answer.Split("\r\n")[0]);
        Assert.Empty(_upstream.Requests);
    }

    private async Task<string> SendAsync(string request)
    {
        using var connection = await RawConnection.OpenAsync(_edge.Public.BaseAddress!);
        await connection.SendAsync(request);
        return await connection.ReadHeadAsync();
    }
}
