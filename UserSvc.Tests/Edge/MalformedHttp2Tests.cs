namespace UserSvc.Tests.Edge;

/// <summary>
/// Requests that are malformed by RFC 9113, 8: none may reach an upstream. Kestrel ends the stream (reset) or the connection (goaway) with
/// PROTOCOL_ERROR, which is 1, or COMPRESSION_ERROR, 9; what it lets pass is the edge's 400.
/// </summary>
public sealed class MalformedHttp2Tests() : OneUpstreamTests(RawHttp2.Listener)
{
    private static readonly (string Name, string Value)[] Get = [(":method", "GET"), (":scheme", "http"), (":path", "/user/alice"), (":authority", "x.example")];

    // 8.2.2, connection-specific; 8.2 and 8.2.1, names and values; 8.3, pseudo-header fields behind ordinary ones.
    [Theory]
    [InlineData("connection", "close", "goaway 1")]
    [InlineData("connection", "x-mine", "goaway 1")]
    [InlineData("keep-alive", "timeout=5", "400")]
    [InlineData("proxy-connection", "keep-alive", "400")]
    [InlineData("transfer-encoding", "chunked", "400")]
    [InlineData("transfer-encoding", "gzip, chunked", "400")]
    [InlineData("transfer-encoding", "", "400")]
    [InlineData("upgrade", "websocket", "400")]
    [InlineData("te", "gzip", "goaway 1")]
    [InlineData("te", "trailers, gzip", "goaway 1")]
    [InlineData("X-Upper", "a", "goaway 1")]
    [InlineData("x-uppeR", "a", "goaway 1")]
    [InlineData("x mine", "a", "400")]
    [InlineData("x\tmine", "a", "400")]
    [InlineData("x:mine", "a", "400")]
    [InlineData("x\0mine", "a", "goaway 1")]
    [InlineData("x\u007fmine", "a", "400")]
    [InlineData("x\u00e9", "a", "goaway 1")]
    [InlineData("", "a", "goaway 9")]
    [InlineData("x-mine", "a\0b", "goaway 1")]
    [InlineData("x-mine", "a\rb", "goaway 1")]
    [InlineData("x-mine", "a\nb", "goaway 1")]
    [InlineData("x-mine", "a\u0001b", "400")]
    [InlineData("x-mine", "a\u007fb", "400")]
    [InlineData("x-mine", " a", "400")]
    [InlineData("x-mine", "a ", "400")]
    [InlineData("x-mine", "\ta", "400")]
    [InlineData("x-mine", "a\t", "400")]
    [InlineData("x-mine", " ", "400")]
    [InlineData("content-length", "5", "reset 1")]
    [InlineData("content-length", "+0", "goaway 1")]
    [InlineData("content-length", "a", "goaway 1")]
    [InlineData(":path", "/user/bob", "goaway 1")]
    [InlineData(":method", "GET", "goaway 1")]
    [InlineData(":status", "200", "goaway 1")]
    [InlineData(":unknown", "a", "goaway 1")]
    public async Task Request_WithSuchAField_IsRefused(string name, string value, string outcome)
    {
        var answer = await RawHttp2.AskAsync(_edge.Address("Http2"), [.. Get, (name, value)]);

        Assert.Equal(outcome, answer.Outcome);
        Assert.Empty(_upstream.Requests);
    }

    [Theory]
    [InlineData(":method", null, "reset 1")]
    [InlineData(":method", "", "reset 1")]
    [InlineData(":method", "G T", "reset 1")]
    [InlineData(":scheme", null, "reset 1")]
    [InlineData(":scheme", "https", "reset 1")]
    [InlineData(":scheme", "ftp", "reset 1")]
    [InlineData(":path", null, "reset 1")]
    [InlineData(":path", "", "reset 1")]
    [InlineData(":path", "user/alice", "reset 1")]
    [InlineData(":path", "*", "reset 1")]
    [InlineData(":path", "http://x.example/user/alice", "reset 1")]
    [InlineData(":path", "/user/alice#b", "400")]
    [InlineData(":path", "/user/alice b", "400")]
    [InlineData(":path", "/user/\u00e9", "400")]
    [InlineData(":authority", "", "400")]
    [InlineData(":authority", null, "400")]
    [InlineData(":authority", "name@x.example", "reset 1")]
    [InlineData(":authority", "x.example/", "reset 1")]
    [InlineData(":authority", "x.example, y.example", "reset 1")]
    public async Task Request_WithThisPseudoHeader_IsRefused(string name, string? value, string outcome)
    {
        var answer = await RawHttp2.AskAsync(_edge.Address("Http2"), Get.Where(f => f.Name != name || value is not null).Select(f => f.Name == name ? (name, value!) : f));

        Assert.Equal(outcome, answer.Outcome);
        Assert.Empty(_upstream.Requests);
    }

    [Fact]
    public async Task Request_WithPseudoHeaderBehindAnother_IsRefused()
    {
        var answer = await RawHttp2.AskAsync(_edge.Address("Http2"), [.. Get[..3], ("x-mine", "a"), Get[3]]);

        Assert.Equal("goaway 1", answer.Outcome);
        Assert.Empty(_upstream.Requests);
    }

    // 8.3.1: Kestrel takes :authority and drops the other, so both sides see one host.
    [Fact]
    public async Task Request_WhoseHostIsAnotherThanItsAuthority_IsForTheAuthority()
    {
        var answer = await RawHttp2.AskAsync(_edge.Address("Http2"), [.. Get, ("host", "evil.example")]);

        Assert.Equal(("200", "x.example"), (answer.Outcome, _upstream.Requests.Single().Headers["X-Forwarded-Host"]));
    }

    // RFC 9110, 10.1.4: TE is for the next hop, and over HTTP/1.1 would need a Connection header.
    [Fact]
    public async Task Request_ThatTakesTrailers_LosesThatOverHttp1()
    {
        var answer = await RawHttp2.AskAsync(_edge.Address("Http2"), [.. Get, ("te", "trailers")]);

        Assert.Equal(("200", false), (answer.Outcome, _upstream.Requests.Single().Headers.ContainsKey("TE")));
    }
}
