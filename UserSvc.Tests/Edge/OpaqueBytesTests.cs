using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace UserSvc.Tests.Edge;

/// <summary>Header values are bytes (RFC 9110, 5.5): what is not ASCII passes as it came, whatever it was meant to say.</summary>
public sealed class OpaqueBytesTests
{
    private const string Latin1 = "D\u00fcsseldorf";

    // José in UTF-8, one character a byte.
    private const string Utf8 = "Jos\u00c3\u00a9";

    private static readonly string EveryByte = string.Concat(Enumerable.Range(0x80, 0x80).Select(c => (char)c));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string> Values => [Latin1, Utf8, EveryByte];

    [Theory]
    [MemberData(nameof(Values))]
    public async Task RequestHeaders_NotAscii_ArriveAsTheyWereSent(string value)
    {
        string[] names = ["Authorization", "Cookie", "If-None-Match", "Referer", "User-Agent", "X-Mine"];
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await EdgeHost.ReadyAsync([upstream]);

        using var connection = await RawConnection.OpenAsync(edge.Public.BaseAddress!);
        await connection.SendAsync($"GET /user/alice HTTP/1.1\r\nHost: x\r\n{string.Concat(names.Select(name => $"{name}: a {value} b\r\n"))}\r\n");
        var answer = await connection.ReadHeadAsync();

        Assert.Equal("HTTP/1.1 200 OK", answer.Split("\r\n")[0]);
        Assert.Equal(names.Select(name => (name, $"a {value} b")), names.Select(name => (name, upstream.Requests.Single().Headers[name])));
    }

    [Theory]
    [MemberData(nameof(Values))]
    public async Task AnswerHeaders_NotAscii_ArriveAsTheyWereSent(string value)
    {
        string[] lines = [.. ((string[])["Content-Disposition", "Content-Type", "ETag", "Location", "Set-Cookie", "X-Mine"]).Select(name => $"{name}: a {value} b")];
        await using var upstream = new ScriptedUpstream($"HTTP/1.1 200 OK\r\n{string.Concat(lines.Select(line => line + "\r\n"))}Content-Length: 0\r\n\r\n");
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", upstream.Address)], [.. RawHttp2.Listener, ($"{EdgeHost.Probing}:Enabled", "false")]);

        using var connection = await RawConnection.OpenAsync(edge.Public.BaseAddress!);
        await connection.SendAsync("GET /user/alice HTTP/1.1\r\nHost: x\r\n\r\n");
        var answer = await connection.ReadHeadAsync();
        var (status, fields) = await RawHttp2.AskAsync(edge.Address("Http2"), [(":method", "GET"), (":scheme", "http"), (":path", "/user/alice"), (":authority", "x")]);

        Assert.Equal(lines, answer.Split("\r\n").Where(line => line.Contains(": a ", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        Assert.Equal(("200", lines.Length), (status, fields.Split($"a {value} b").Length - 1));
    }

    [Theory]
    [InlineData("1.1", "1.1", false)]
    [InlineData("1.1", "2.0", false)]
    [InlineData("2.0", "1.1", false)]
    [InlineData("2.0", "2.0", true)]
    public async Task HeadersAndTrailers_NotAscii_PassBetweenTheseVersions(string client, string server, bool trailers)
    {
        await using var upstream = await Upstream.StartAsync(protocols: server == "2.0" ? HttpProtocols.Http2 : HttpProtocols.Http1, answer: async context =>
        {
            context.Response.Headers["X-Echo"] = context.Request.Headers["X-Mine"];
            await context.Response.WriteAsync("hello", context.RequestAborted);
            if (context.Response.SupportsTrailers())
            {
                context.Response.AppendTrailer("X-Sum", context.Request.Headers["X-Mine"]);
            }
        });
        await using var edge = await EdgeHost.ReadyAsync([upstream], [.. RawHttp2.Listener, ($"{EdgeHost.HttpRequest}:Version", server)]);

        using var answer = await GetAsync(edge, client, ("X-Mine", Latin1 + EveryByte));

        Assert.Equal((HttpStatusCode.OK, Latin1 + EveryByte), (answer.StatusCode, answer.Headers.GetValues("X-Echo").Single()));
        Assert.Equal(trailers ? [Latin1 + EveryByte] : [], answer.TrailingHeaders.SelectMany(trailer => trailer.Value));
    }

    // Kestrel writes none over HTTP/1.1.
    [Theory]
    [InlineData("1.1", false)]
    [InlineData("2.0", true)]
    public async Task Trailers_OfAnAnswerOverHttp1_ReachAClientOfThisVersion(string client, bool arrive)
    {
        await using var upstream = new ScriptedUpstream($"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: {Utf8}\r\n\r\n");
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", upstream.Address)], [.. RawHttp2.Listener, ($"{EdgeHost.Probing}:Enabled", "false")]);

        using var answer = await GetAsync(edge, client);

        Assert.Equal(arrive ? [Utf8] : [], answer.TrailingHeaders.SelectMany(trailer => trailer.Value));
    }

    [Fact]
    public async Task Answers_NotAscii_EjectNobody()
    {
        await using var upstream = new ScriptedUpstream($"HTTP/1.1 200 OK\r\nSet-Cookie: n={Utf8}\r\nContent-Length: 0\r\n\r\n");
        await using var other = await Upstream.StartAsync("usersvc-2");
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", upstream.Address), ("usersvc-2", other.Address)], ($"{EdgeHost.Probing}:Enabled", "false"));

        for (var i = 0; i < 14; i++)
        {
            // HttpClient would send the cookie back, and fail to.
            await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, "GET /user/alice HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        }

        Assert.Equal((0, 7), (edge.Unhealthy(), other.Requests.Count));
    }

    // The whole answer, trailers and all; text is Latin-1.
    private static async Task<HttpResponseMessage> GetAsync(EdgeHost edge, string version, params (string Name, string Value)[] headers)
    {
        using var handler = new SocketsHttpHandler { RequestHeaderEncodingSelector = (_, _) => Encoding.Latin1, ResponseHeaderEncodingSelector = (_, _) => Encoding.Latin1 };
        using var http = new HttpClient(handler);
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(version == "2.0" ? edge.Address("Http2") : edge.Address("Http"), "/user/alice"))
        {
            Version = new Version(version),
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        foreach (var (name, value) in headers)
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return await http.SendAsync(request, Cancellation);
    }
}
