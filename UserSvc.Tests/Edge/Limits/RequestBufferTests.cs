using System.Net;
using Microsoft.Extensions.DependencyInjection;
using UserSvc.Edge.Limits;

namespace UserSvc.Tests.Edge.Limits;

public sealed class RequestBufferTests : IAsyncLifetime
{
    private Upstream _upstream = null!;

    public async ValueTask InitializeAsync() => _upstream = await Upstream.StartAsync();

    public ValueTask DisposeAsync() => _upstream.DisposeAsync();

    [Fact]
    public async Task SlowBodies_WhileTheyArrive_TakeNoSlotAndNoConnection()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], ($"{EdgeHost.Metadata}:CircuitBreaker.MaxRequests", "1"));
        var slow = await PutAsync(edge, count: 5, length: 10, sent: 1);

        var answers = new List<Answer>();
        for (var i = 0; i < 20; i++)
        {
            answers.Add(await edge.Public.AskAsync("/user/alice"));
        }

        var upstream = await edge.Admin.AskAsync("/stats?filter=remaining_rq|upstream_rq_(active|total)$|request_buffer");
        var ends = new List<string>();
        foreach (var connection in slow)
        {
            await connection.SendAsync(new string('a', 9));
            ends.Add((await connection.ReadHeadAsync()).Split("\r\n")[0]);
            connection.Dispose();
            // The edge gives the slot back when it has sent the answer.
            await Eventually.HoldsAsync(async () => (await edge.Admin.AskAsync("/stats?filter=remaining_rq")).Body.EndsWith(": 1\n", StringComparison.Ordinal));
        }

        Assert.Equal(Enumerable.Repeat(new Answer(200, "usersvc-1"), 20), answers);
        Assert.Equal(
            """
            cluster.usersvc.circuit_breakers.default.remaining_rq: 1
            cluster.usersvc.upstream_rq_active: 0
            cluster.usersvc.upstream_rq_total: 20
            request_buffer.bytes: 50
            request_buffer.overflow: 0

            """.ReplaceLineEndings("\n"),
            upstream.Body);
        Assert.Equal(Enumerable.Repeat("HTTP/1.1 200 OK", 5), ends);
        Assert.Equal(Enumerable.Repeat(10, 5), _upstream.Requests.Where(r => r.Method == "PUT").Select(r => r.BodyLength));
    }

    [Fact]
    public async Task Bodies_BeyondTheBudget_AreRefusedAsOverloadUntilOthersEnd()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], ("Edge:RequestBuffer:MaxBytes", "1048576"), ("Edge:FairShares", "false"));
        var slow = await PutAsync(edge, count: 16, length: RequestBody.Limit, sent: RequestBody.Limit - 1);

        using var content = new StringContent("a");
        using var refused = await edge.Public.PutAsync("/user/alice", content, TestContext.Current.CancellationToken);
        var without = await edge.Public.AskAsync("/user/alice");
        slow.ForEach(connection => connection.Dispose());
        await Eventually.HoldsAsync(() => Task.FromResult(Budget(edge).Bytes == 0));
        using var again = new StringContent("a");
        using var afterwards = await edge.Public.PutAsync("/user/alice", again, TestContext.Current.CancellationToken);

        Assert.Equal(EdgeAnswers.Problem(503, "overloaded", "Too many request bodies are in memory."), await Answer.ReadAsync(refused));
        Assert.Equal((TimeSpan.FromSeconds(1), "true"), (refused.Headers.RetryAfter?.Delta, refused.Headers.GetValues("x-envoy-overloaded").Single()));
        Assert.Equal((new Answer(200, "usersvc-1"), new Answer(200, "usersvc-1"), 1), (without, await Answer.ReadAsync(afterwards), Budget(edge).Overflows.Value));
    }

    [Fact]
    public async Task Client_WithItsShareOfTheBudget_IsRefusedWhileAnotherIsServed()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], ("Edge:RequestBuffer:MaxBytes", "1048576"));
        var slow = await PutAsync(edge, count: 6, length: RequestBody.Limit, sent: RequestBody.Limit - 1);
        var put = $"PUT /user/alice HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {RequestBody.Limit}\r\n\r\n{new string('a', RequestBody.Limit)}";

        using var greedy = await RawConnection.OpenAsync(edge.Public.BaseAddress!);
        await greedy.SendAsync(put);
        using var other = await RawConnection.OpenAsync(edge.Public.BaseAddress!, IPAddress.Parse("127.0.0.2"));
        await other.SendAsync(put);
        var heads = (await greedy.ReadHeadAsync(), await other.ReadHeadAsync());
        slow.ForEach(connection => connection.Dispose());

        Assert.Equal(("HTTP/1.1 503 Service Unavailable", "HTTP/1.1 200 OK"), (heads.Item1.Split("\r\n")[0], heads.Item2.Split("\r\n")[0]));
        await Eventually.HoldsAsync(() => Task.FromResult(Budget(edge).Bytes == 0));
    }

    [Fact]
    public async Task Body_LongerThanTheBuffer_IsForwardedWhileItArrives()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], ("Kestrel:Limits:MaxRequestBodySize", "1000000"));
        using var connection = await RawConnection.OpenAsync(edge.Public.BaseAddress!);

        await connection.SendAsync($"PUT /user/alice HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{new string('a', 70_000)}");
        await Eventually.HoldsAsync(async () => (await edge.Admin.AskAsync("/stats?filter=usersvc.upstream_rq_active")).Body == "cluster.usersvc.upstream_rq_active: 1\n");
        await connection.SendAsync(new string('a', 30_000));
        var head = await connection.ReadHeadAsync();

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", head, StringComparison.Ordinal);
        Assert.Equal([100_000], _upstream.Requests.Select(r => r.BodyLength));
    }

    [Fact]
    public async Task Body_ThatWaitsFor100Continue_IsAskedForBeforeAnInstanceIs()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream]);
        using var connection = await RawConnection.OpenAsync(edge.Public.BaseAddress!);

        await connection.SendAsync("PUT /user/alice HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
        var interim = await connection.ReadHeadAsync();
        var total = await edge.Admin.AskAsync("/stats?filter=usersvc.upstream_rq_total");
        await connection.SendAsync("hello");
        var head = await connection.ReadHeadAsync();

        Assert.Equal(("HTTP/1.1 100 Continue\r\n\r\n", "cluster.usersvc.upstream_rq_total: 0\n"), (interim, total.Body));
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", head, StringComparison.Ordinal);
        Assert.Equal([5], _upstream.Requests.Select(r => r.BodyLength));
    }

    [Theory]
    [InlineData(10, 200)]
    [InlineData(100, 413)]
    public async Task ChunkedBody_OverTheLimitOfItsRoute_Is413(int length, int status)
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], ("ReverseProxy:Routes:user:MaxRequestBodySize", "50"));
        using var request = new HttpRequestMessage(HttpMethod.Put, "/user/alice") { Content = new ByteArrayContent(new byte[length]), Headers = { TransferEncodingChunked = true } };

        var answer = await edge.Public.AskAsync(request);

        Assert.Equal(status, answer.Status);
    }

    private static RequestBufferBudget Budget(EdgeHost edge) => edge.Services.GetRequiredService<RequestBufferBudget>();

    /// <summary>Connections that have sent a PUT's head and so many bytes of its body, once the edge has them.</summary>
    private static async Task<List<RawConnection>> PutAsync(EdgeHost edge, int count, int length, int sent)
    {
        var connections = new List<RawConnection>();
        for (var i = 0; i < count; i++)
        {
            connections.Add(await RawConnection.OpenAsync(edge.Public.BaseAddress!));
            await connections[i].SendAsync($"PUT /user/alice HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{new string('a', sent)}");
        }

        await Eventually.HoldsAsync(() => Task.FromResult(Budget(edge).Bytes == count * length));
        return connections;
    }
}
