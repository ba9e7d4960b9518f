namespace UserSvc.Tests.Edge;

/// <summary>Bytes that two servers in a row may read as different requests, or answers. Behind each stands a request that must not be seen.</summary>
public sealed class SmugglingTests : OneUpstreamTests
{
    private const string Smuggled = "GET /user/smuggled HTTP/1.1\r\nHost: x\r\n\r\n";

    [Theory]
    [InlineData("Content-Length: 5", "Transfer-Encoding: chunked")]
    [InlineData("Transfer-Encoding: chunked", "Content-Length: 5")]
    [InlineData("Content-Length: 5", "Transfer-Encoding : chunked")]
    [InlineData("Content-Length: 5", "Transfer-Encoding:")]
    [InlineData("Content-Length: 5", "Content-Length: 5")]
    [InlineData("Content-Length: 5", "Content-Length: 6")]
    [InlineData("Content-Length: 5, 5")]
    [InlineData("Content-Length: 5 5")]
    [InlineData("Content-Length: +5")]
    [InlineData("Content-Length: -5")]
    [InlineData("Content-Length: 0x5")]
    [InlineData("Content-Length: 5;")]
    [InlineData("Content-Length:")]
    [InlineData("Content-Length: 18446744073709551621")]
    [InlineData("Content-Length: 99999999999999999999999999999999")]
    [InlineData("Transfer-Encoding: chunked, identity")]
    [InlineData("Transfer-Encoding: chunked, chunked")]
    [InlineData("Transfer-Encoding: chunked,")]
    [InlineData("Transfer-Encoding: ,chunked")]
    [InlineData("Transfer-Encoding: identity")]
    [InlineData("Transfer-Encoding: xchunked")]
    [InlineData("Transfer-Encoding: \"chunked\"")]
    [InlineData("Transfer-Encoding: chunked;q=1")]
    [InlineData("Transfer-Encoding: \vchunked")]
    [InlineData("Transfer-Encoding: chunked", "Transfer-Encoding: chunked")]
    public async Task Request_OfAnAmbiguousLength_IsRefused(params string[] headers)
    {
        await IsRefusedAsync($"POST /user/alice HTTP/1.1\r\nHost: x\r\n{string.Join("\r\n", headers)}\r\n\r\n0\r\n\r\n{Smuggled}");
    }

    [Theory]
    [InlineData("Host: x", "Transfer-Encoding: chunked")]
    [InlineData("Host: x", "Connection: keep-alive", "Transfer-Encoding: chunked")]
    [InlineData("Host: ")]
    public async Task Request_OfHttp10WithWhatItLacks_IsRefused(params string[] headers)
    {
        await IsRefusedAsync($"POST /user/alice HTTP/1.0\r\n{string.Join("\r\n", headers)}\r\n\r\n0\r\n\r\n{Smuggled}");
    }

    [Theory]
    [InlineData("GET /user/alice HTTP/1.1\nHost: x\n\n")]
    [InlineData("GET /user/alice HTTP/1.1\nHost: x\r\n\r\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\nA: b\r\n\r\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\r\n\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\rA: b\r\n\r\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\r\nA: b\r\r\n\r\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc\r\n\r\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\r\nA: b\r\n c: d\r\n\r\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\n Host: x\r\nHost: y\r\n\r\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\r\nA B: b\r\n\r\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\r\nA(B: b\r\n\r\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\r\nA\r\n\r\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\r\nA\0B: b\r\n\r\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\r\nA: b\u0001c\r\n\r\n")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\r\nA: b\u007fc\r\n\r\n")]
    public async Task Request_WithMalformedLinesOrHeaders_IsRefused(string head)
    {
        await IsRefusedAsync(head + Smuggled);
    }

    [Theory]
    [InlineData("-1\r\n\r\n")]
    [InlineData("+1\r\na\r\n0\r\n\r\n")]
    [InlineData("0x1\r\na\r\n0\r\n\r\n")]
    [InlineData(" 1\r\na\r\n0\r\n\r\n")]
    [InlineData("1 \r\na\r\n0\r\n\r\n")]
    [InlineData("g\r\na\r\n0\r\n\r\n")]
    [InlineData("\r\na\r\n0\r\n\r\n")]
    [InlineData("100000001\r\na\r\n0\r\n\r\n")]
    [InlineData("80000000\r\na\r\n0\r\n\r\n")]
    [InlineData("10000000000000001\r\na\r\n0\r\n\r\n")]
    [InlineData("00000000000000001\r\na\r\n0\r\n\r\n")]
    [InlineData("1\na\r\n0\r\n\r\n")]
    [InlineData("1\ra\r\n0\r\n\r\n")]
    [InlineData("1\r\na\n0\r\n\r\n")]
    [InlineData("1\r\naXX0\r\n\r\n")]
    [InlineData("1;a\nb\r\na\r\n0\r\n\r\n")]
    [InlineData("1;a\rb\r\na\r\n0\r\n\r\n")]
    [InlineData("0\r\nA B: c\r\n\r\n")]
    [InlineData("0\r\nA: c\n\r\n")]
    [InlineData("0\r\n\n")]
    public async Task Request_WithMalformedChunks_IsRefused(string body)
    {
        await IsRefusedAsync($"POST /user/alice HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{body}{Smuggled}");
    }

    [Theory]
    [InlineData("GET http://other/user/alice HTTP/1.1\r\nHost: x")]
    [InlineData("GET http://name:word@x/user/alice HTTP/1.1\r\nHost: x")]
    [InlineData("GET /user/alice HTTP/1.1\r\nA: b")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\r\nHost: x")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x\r\nHost: y")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost:")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: name@x")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x/y")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x y")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x, y")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x:")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x:65536")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: x:-1")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: [::g]")]
    [InlineData("GET /user/alice HTTP/1.1\r\nHost: <x>")]
    [InlineData("GET  /user/alice HTTP/1.1\r\nHost: x")]
    [InlineData("GET\t/user/alice HTTP/1.1\r\nHost: x")]
    [InlineData("GET /user/alice HTTP/1.1 \r\nHost: x")]
    [InlineData("GET /user/alice b HTTP/1.1\r\nHost: x")]
    [InlineData("GET /user/alice#b HTTP/1.1\r\nHost: x")]
    [InlineData("GET /user/alice\\b HTTP/1.1\r\nHost: x")]
    [InlineData("GET /user/alice\u0001 HTTP/1.1\r\nHost: x")]
    [InlineData("GET /user/alice?\u007f HTTP/1.1\r\nHost: x")]
    [InlineData("GET /user/\u00e9 HTTP/1.1\r\nHost: x")]
    [InlineData("GET /user/alice%00 HTTP/1.1\r\nHost: x")]
    [InlineData("GET http://x/user/alice%00 HTTP/1.1\r\nHost: x")]
    [InlineData("G(T /user/alice HTTP/1.1\r\nHost: x")]
    [InlineData("GET /user/alice")]
    public async Task Request_WithAMalformedTargetOrHost_IsRefused(string head)
    {
        await IsRefusedAsync($"{head}\r\n\r\n{Smuggled}");
    }

    [Theory]
    [InlineData("GET /user/alice HTTP/1.2")]
    [InlineData("GET /user/alice HTTP/2.0")]
    [InlineData("GET /user/alice http/1.1")]
    public async Task Request_OfAnotherVersion_IsRefused(string line)
    {
        await IsRefusedAsync($"{line}\r\nHost: x\r\n\r\n{Smuggled}", "505 HTTP Version Not Supported");
    }

    // Kestrel answers these before the edge sees them. The docs list them.
    [Theory]
    [InlineData("GET /user/\u00e9 HTTP/1.1", "400 Bad Request")]
    [InlineData("GET * HTTP/1.1", "405 Method Not Allowed")]
    [InlineData("GET user HTTP/1.1", "405 Method Not Allowed")]
    [InlineData("GET /user HTTP/1.2", "505 HTTP Version Not Supported")]
    public async Task Request_RefusedByKestrel_HasAnAnswerWithoutABody(string line, string status)
    {
        var answer = await RawConnection.ExchangeAsync(_edge.Public.BaseAddress!, $"{line}\r\nHost: x\r\n\r\n");

        Assert.StartsWith($"HTTP/1.1 {status}\r\nContent-Length: 0\r\n", answer, StringComparison.Ordinal);
        Assert.EndsWith("\r\n\r\n", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Request_OfHttp2OnTheCleartextHttp1Port_IsNotServed()
    {
        await RawConnection.ExchangeAsync(_edge.Public.BaseAddress!, $"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{Smuggled}");

        Assert.Empty(_upstream.Requests);
    }

    [Theory]
    [InlineData("Content-Length: 05", "hello", "")]
    [InlineData("Transfer-Encoding: Chunked", "5;ext=\"a\"\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n", "")]
    [InlineData("Transfer-Encoding:\tchunked", "05\r\nhello\r\n0\r\n\r\n", "")]
    [InlineData("Content-Length: 5", "hello", "A: \u00c3\u00a9")]
    public async Task Request_UnusualButClear_IsForwardedWhole(string length, string body, string more)
    {
        var answers = await RawConnection.ExchangeAsync(_edge.Public.BaseAddress!,
            $"POST /user/alice HTTP/1.1\r\nHost: x\r\n{length}\r\n{more}{(more.Length > 0 ? "\r\n" : "")}\r\n{body}GET /user/next HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

        Assert.Equal([("POST", "/user/alice", 5), ("GET", "/user/next", 0)], _upstream.Requests.Select(r => (r.Method, r.Target, r.BodyLength)));
        Assert.Equal(2, answers.Split("HTTP/1.1 200 OK").Length - 1);
        Assert.DoesNotContain(_upstream.Requests, r => r.Headers.ContainsKey("X-Content-Length"));
    }

    [Theory]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\nok")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 2, 40\r\n\r\nok")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nok")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")]
    public async Task UpstreamsAnswer_OfAnAmbiguousLength_Is502(string answer)
    {
        await using var upstream = new ScriptedUpstream(answer);
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", upstream.Address)], ($"{EdgeHost.Probing}:Enabled", "false"));

        var first = await edge.Public.AskAsync("/user/first");
        var second = await edge.Public.AskAsync("/user/second");

        var failed = EdgeAnswers.Problem(502, "upstream_failed", "The service failed to answer.");
        Assert.Equal((failed, failed), (first, second));
    }

    [Fact]
    public async Task UpstreamsAnswer_WithAnotherBehindIt_IsNotFollowedByThatOne()
    {
        await using var upstream = new ScriptedUpstream("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison");
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", upstream.Address)], ($"{EdgeHost.Probing}:Enabled", "false"));

        var first = await edge.Public.AskAsync("/user/first");
        var second = await edge.Public.AskAsync("/user/second");

        Assert.Equal((new Answer(200, "ok"), new Answer(200, "ok")), (first, second));
    }

    private async Task IsRefusedAsync(string bytes, string status = "400 Bad Request")
    {
        var answer = await RawConnection.ExchangeAsync(_edge.Public.BaseAddress!, bytes);

        var lines = answer.Split("\r\n");
        Assert.Equal(($"HTTP/1.1 {status}", 1), (lines[0], answer.Split("HTTP/1.1 ").Length - 1));
        Assert.Contains("Connection: close", lines);
        Assert.Empty(_upstream.Requests);
    }
}
