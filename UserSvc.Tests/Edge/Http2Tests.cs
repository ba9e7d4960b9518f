using System.Buffers.Binary;
using System.Net;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace UserSvc.Tests.Edge;

public sealed class Http2Tests : IAsyncLifetime
{
    private static readonly (string, string)[] Cleartext = [("Kestrel:Endpoints:Http2:Url", "http://127.0.0.1:0"), ("Kestrel:Endpoints:Http2:Protocols", "Http2")];

    private Upstream _upstream = null!;

    public async ValueTask InitializeAsync() => _upstream = await Upstream.StartAsync();

    public ValueTask DisposeAsync() => _upstream.DisposeAsync();

    [Fact]
    public async Task Request_OnTheCleartextHttp2Port_IsServedAsOneOverHttp1()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], Cleartext);
        using var client = Client(edge);
        using var request = new HttpRequestMessage(HttpMethod.Put, "/user//alice")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new StringContent("hello"),
            Headers = { { "X-Request-Id", "mine" }, { "X-Forwarded-For", "6.6.6.6" }, { "x-envoy-a", "b" } },
        };

        using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);

        var received = _upstream.Requests.Single();
        Assert.Equal((new Answer(200, "usersvc-1"), HttpVersion.Version20), (await Answer.ReadAsync(response), response.Version));
        Assert.Equal(["mine"], response.Headers.GetValues("X-Request-Id"));
        Assert.Equal(("PUT", "/user/alice", 5, "mine", "127.0.0.1"), (received.Method, received.Target, received.BodyLength, received.Headers["X-Request-Id"], received.Headers["X-Forwarded-For"]));
        Assert.DoesNotContain("x-envoy-a", received.Headers.Keys);
    }

    [Fact]
    public async Task Errors_OverHttp2_AreTheSameProblemJson()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], Cleartext);
        using var client = Client(edge);
        using var tooLarge = new HttpRequestMessage(HttpMethod.Put, "/user/alice")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(new byte[100_000]),
        };

        var refused = await client.AskAsync(tooLarge);
        using var missing = await client.GetAsync("/nothing", TestContext.Current.CancellationToken);
        using var served = await client.GetAsync("/user/alice", TestContext.Current.CancellationToken);

        Assert.Equal(EdgeAnswers.Problem(413, "body_too_large", "The request body is too large."), refused);
        Assert.Equal((EdgeAnswers.NotFound, new Answer(200, "usersvc-1")), (await Answer.ReadAsync(missing), await Answer.ReadAsync(served)));
        Assert.Single(_upstream.Requests);
    }

    [Fact]
    public async Task Upstream_OfHttp2_IsSpokenToInIt()
    {
        await using var upstream = await Upstream.StartAsync(protocols: HttpProtocols.Http2, answer: context => context.Response.WriteAsync(context.Request.Protocol));
        await using var edge = await EdgeHost.ReadyAsync([upstream], ($"{EdgeHost.HttpRequest}:Version", "2"));

        var answer = await edge.Public.AskAsync("/user/alice");

        Assert.Equal(new Answer(200, "HTTP/2"), answer);
    }

    [Fact]
    public async Task Drain_WithAStreamInFlight_SendsGoawayWhileItListensAndEndsTheStream()
    {
        var arrived = new TaskCompletionSource();
        var release = new TaskCompletionSource();
        await using var upstream = await Upstream.StartAsync(answer: async context =>
        {
            if (context.Request.Path == "/user/slow")
            {
                arrived.SetResult();
                await release.Task;
            }
        });
        await using var edge = await EdgeHost.ReadyAsync([upstream], [.. Cleartext, ("Drain:Time", "00:00:10"), ($"{EdgeHost.Metadata}:Retry.Attempts", "1")]);
        using var connection = await RawConnection.OpenAsync(edge.Address("Http2"));
        await connection.SendAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Frame(FrameType.Settings, 0, 0, "") + Get(1, "/user/slow"));
        await arrived.Task;

        var stopping = edge.StopAsync();
        await Eventually.HoldsAsync(async () => await edge.Health.AskAsync("/health") == EdgeAnswers.Problem(503, "unavailable", "drain: draining"));
        await connection.SendAsync(Get(3, "/user/alice"));
        var beforeGoaway = await connection.ReadUntilAsync(read => Frames(read).Exists(f => f.Type == FrameType.Goaway));
        var alive = await edge.Health.AskAsync("/alive");
        release.SetResult();
        var all = Frames(beforeGoaway + await connection.ReadToEndAsync());
        await stopping;

        Assert.Equal(new Answer(200, "Healthy\n"), alive);
        Assert.Equal([1, 3], all.Where(f => f.EndsStream).Select(f => f.Stream).Order());
        Assert.DoesNotContain(all, f => f.Type == FrameType.ResetStream);
    }

    private static HttpClient Client(EdgeHost edge) => new()
    {
        BaseAddress = edge.Address("Http2"),
        DefaultRequestVersion = HttpVersion.Version20,
        DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact,
    };

    private enum FrameType
    {
        Data = 0,
        Headers = 1,
        ResetStream = 3,
        Settings = 4,
        Goaway = 7,
    }

    private sealed record ReceivedFrame(FrameType Type, bool EndsStream, int Stream);

    // RFC 9113, 4.1: length (24), type (8), flags (8), stream (32), payload.
    private static string Frame(FrameType type, byte flags, int stream, string payload)
    {
        var head = new byte[9];
        BinaryPrimitives.WriteInt32BigEndian(head, payload.Length << 8);
        head[3] = (byte)type;
        head[4] = flags;
        BinaryPrimitives.WriteInt32BigEndian(head.AsSpan(5), stream);
        return Encoding.Latin1.GetString(head) + payload;
    }

    // RFC 7541, appendix A: 2 is :method GET, 6 :scheme http, 4 :path and 1 :authority, whose values follow with their lengths.
    private static string Get(int stream, string path) =>
        Frame(FrameType.Headers, 0x5, stream, $"\u0082\u0086\u0044{(char)path.Length}{path}\u0041\u0001x");

    private static List<ReceivedFrame> Frames(string read)
    {
        var bytes = Encoding.Latin1.GetBytes(read);
        var frames = new List<ReceivedFrame>();
        for (var at = 0; at + 9 <= bytes.Length;)
        {
            var type = (FrameType)bytes[at + 3];
            var ends = type is FrameType.Data or FrameType.Headers && (bytes[at + 4] & 1) != 0;
            frames.Add(new(type, ends, BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(at + 5))));
            at += 9 + (BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(at)) >> 8);
        }

        return frames;
    }
}
