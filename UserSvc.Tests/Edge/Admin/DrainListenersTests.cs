using System.Net.Sockets;
using Microsoft.Extensions.Time.Testing;

namespace UserSvc.Tests.Edge.Admin;

public sealed class DrainListenersTests
{
    [Fact]
    public async Task PublicListeners_Drained_RefuseConnectionsAndFinishRequests()
    {
        var (arrived, release) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var upstream = await Upstream.StartAsync(answer: async context =>
        {
            if (context.Request.Path == "/user/slow")
            {
                arrived.SetResult();
                await release.Task;
            }
        });
        await using var edge = await EdgeHost.ReadyAsync([upstream], ("Kestrel:Endpoints:Second:Url", "http://127.0.0.1:0"));
        using var idle = await RawConnection.OpenAsync(edge.Public.BaseAddress!);
        await idle.SendAsync("GET /user/alice HTTP/1.1\r\nHost: x\r\n\r\n");
        var before = await idle.ReadUntilAsync(read => read.EndsWith("0\r\n\r\n", StringComparison.Ordinal) || read.Contains("Content-Length: 0", StringComparison.Ordinal));
        var inFlight = edge.Public.AskAsync("/user/slow");
        await arrived.Task;

        var drained = await edge.PostAsync("/drain_listeners");
        var refused = await Assert.ThrowsAsync<SocketException>(() => RawConnection.OpenAsync(edge.Public.BaseAddress!));
        var secondRefused = await Assert.ThrowsAsync<SocketException>(() => RawConnection.OpenAsync(edge.Address("Second")));
        await idle.SendAsync("GET /user/alice HTTP/1.1\r\nHost: x\r\n\r\n");
        var last = await idle.ReadToEndAsync();
        var others = (await edge.Health.AskAsync("/alive"), await edge.Health.AskAsync("/ready"), await edge.Admin.AskAsync("/ready"));
        release.SetResult();

        Assert.Equal(new Answer(200, "OK\n"), drained);
        Assert.Equal((SocketError.ConnectionRefused, SocketError.ConnectionRefused), (refused.SocketErrorCode, secondRefused.SocketErrorCode));
        Assert.Equal(("HTTP/1.1 200 OK", false), Head(before));
        Assert.Equal(("HTTP/1.1 200 OK", true), Head(last));
        Assert.Equal((new Answer(200, "Healthy\n"), new Answer(503, "DRAINING\n"), new Answer(503, "DRAINING\n")), others);
        Assert.Equal(new Answer(200, ""), await inFlight);
    }

    [Fact]
    public async Task PublicListeners_DrainedGracefully_AcceptConnectionsForTheDrainTime()
    {
        await using var upstream = await Upstream.StartAsync();
        var time = new FakeTimeProvider();
        await using var edge = await EdgeHost.ReadyAsync(time, [upstream], ("Drain:Time", "00:00:05"));

        var drained = await edge.PostAsync("/drain_listeners?graceful");
        var last = await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, "GET /user/alice HTTP/1.1\r\nHost: x\r\n\r\n");
        time.Advance(TimeSpan.FromSeconds(4.9));
        using var late = await RawConnection.OpenAsync(edge.Public.BaseAddress!);
        time.Advance(TimeSpan.FromSeconds(0.1));
        var refused = await Assert.ThrowsAsync<SocketException>(() => RawConnection.OpenAsync(edge.Public.BaseAddress!));

        Assert.Equal(new Answer(200, "OK\n"), drained);
        Assert.Equal(("HTTP/1.1 200 OK", true), Head(last));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
    }

    private static (string Status, bool Closes) Head(string answer) => (answer.Split('\r')[0], answer.Contains("Connection: close", StringComparison.Ordinal));
}
