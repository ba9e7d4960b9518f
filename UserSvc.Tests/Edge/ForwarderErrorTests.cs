using System.Net;
using System.Net.Sockets;

namespace UserSvc.Tests.Edge;

public sealed class ForwarderErrorTests
{
    private static readonly (string, string) NotProbed = ($"{EdgeHost.Probing}:Enabled", "false");

    [Fact]
    public async Task Request_WithNoHealthyInstance_Is503ThatMayBeRetried()
    {
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await EdgeHost.ReadyAsync([upstream], ($"{EdgeHost.Probing}:Interval", "00:00:00.100"));
        upstream.Healthy = false;
        await Eventually.HoldsAsync(async () => await edge.Public.AskAsync("/user/alice") == EdgeAnswers.NoInstance);

        using var response = await edge.Public.GetAsync("/user/alice", TestContext.Current.CancellationToken);

        Assert.Equal(EdgeAnswers.NoInstance, await Answer.ReadAsync(response));
        Assert.Equal((TimeSpan.FromSeconds(1), false, "nosniff"),
            (response.Headers.RetryAfter?.Delta, response.Headers.Contains("x-envoy-overloaded"), response.Headers.GetValues("X-Content-Type-Options").Single()));
    }

    [Fact]
    public async Task Request_ToAnInstanceThatRefusesConnections_Is502()
    {
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", $"http://127.0.0.1:{UnusedPort()}")], NotProbed);

        var answer = await edge.Public.AskAsync("/user/alice");

        Assert.Equal(EdgeAnswers.Problem(502, "upstream_failed", "The service failed to answer."), answer);
    }

    [Fact]
    public async Task Request_ToAnInstanceThatCutsTheConnection_Is502()
    {
        await using var upstream = await Upstream.StartAsync(answer: context =>
        {
            context.Abort();
            return Task.CompletedTask;
        });
        await using var edge = await EdgeHost.ReadyAsync([upstream]);

        var answer = await edge.Public.AskAsync("/user/alice");

        Assert.Equal(EdgeAnswers.Problem(502, "upstream_failed", "The service failed to answer."), answer);
    }

    [Fact]
    public async Task Request_ToAHostThatDoesNotTakeTheConnection_Is502()
    {
        // Linux drops the handshake of who comes when the queue of connections not yet accepted is full: here it holds one.
        using var listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(0);
        using var queued = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await queued.ConnectAsync(listener.LocalEndPoint!, TestContext.Current.CancellationToken);
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", $"http://{listener.LocalEndPoint}")], NotProbed, (EdgeHost.ConnectTimeout, "00:00:00.250"));

        var answer = await edge.Public.AskAsync("/user/alice");

        Assert.Equal(EdgeAnswers.Problem(502, "upstream_failed", "The service failed to answer."), answer);
    }

    [Fact]
    public async Task Request_ToAnInstanceThatDoesNotAnswer_Is504()
    {
        await using var upstream = await Upstream.StartAsync(answer: context => Task.Delay(Timeout.Infinite, context.RequestAborted));
        await using var edge = await EdgeHost.ReadyAsync([upstream], ($"{EdgeHost.HttpRequest}:ActivityTimeout", "00:00:00.300"));

        var answer = await edge.Public.AskAsync("/user/alice");

        Assert.Equal(EdgeAnswers.Problem(504, "upstream_timeout", "The service did not answer in time."), answer);
    }

    [Theory]
    [InlineData(false, 65_537)]
    [InlineData(false, 1_000_000)]
    [InlineData(true, 65_537)]
    [InlineData(true, 1_000_000)]
    public async Task Body_OverTheLimit_Is413AndNoInstanceActsOnIt(bool chunked, int length)
    {
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await EdgeHost.ReadyAsync([upstream]);

        using var response = await PutAsync(edge, chunked, length);

        Assert.Equal(EdgeAnswers.Problem(413, "body_too_large", "The request body is too large."), await Answer.ReadAsync(response));
        Assert.True(response.Headers.ConnectionClose);
        Assert.Empty(upstream.Requests);
    }

    [Theory]
    [InlineData(false, 65_536)]
    // Kestrel counts the framing of chunks too.
    [InlineData(true, 65_000)]
    public async Task Body_UpToTheLimit_IsForwarded(bool chunked, int length)
    {
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await EdgeHost.ReadyAsync([upstream]);

        using var response = await PutAsync(edge, chunked, length);

        Assert.Equal(new Answer(200, "usersvc-1"), await Answer.ReadAsync(response));
        Assert.Equal([length], upstream.Requests.Select(r => r.BodyLength));
    }

    private static async Task<HttpResponseMessage> PutAsync(EdgeHost edge, bool chunked, int length)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, "/user/alice")
        {
            Content = new ByteArrayContent(new byte[length]),
            Headers = { TransferEncodingChunked = chunked },
        };
        return await edge.Public.SendAsync(request, TestContext.Current.CancellationToken);
    }

    private static int UnusedPort()
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
