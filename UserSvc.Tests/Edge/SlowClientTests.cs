using System.Net.Sockets;

namespace UserSvc.Tests.Edge;

/// <summary>Clients that take their time, or come in numbers.</summary>
public sealed class SlowClientTests : IAsyncLifetime
{
    private const string Limits = "Kestrel:Limits";

    private Upstream _upstream = null!;

    public async ValueTask InitializeAsync() => _upstream = await Upstream.StartAsync();

    public ValueTask DisposeAsync() => _upstream.DisposeAsync();

    [Fact]
    public async Task Connection_WithHeadersThatDoNotEndInTime_Is408AndClosed()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], ($"{Limits}:RequestHeadersTimeout", "00:00:01"));

        var answer = await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, "GET /user/alice HTTP/1.1\r\nHost: x\r\nX-A: ");

        Assert.StartsWith("HTTP/1.1 408 Request Timeout\r\n", answer, StringComparison.Ordinal);
        Assert.Empty(_upstream.Requests);
    }

    [Fact]
    public async Task Connection_WithABodyThatIsTooSlow_Is408AndClosed()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream],
            ($"{Limits}:MinRequestBodyDataRate:BytesPerSecond", "1000"), ($"{Limits}:MinRequestBodyDataRate:GracePeriod", "00:00:01.100"));

        var answer = await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, "PUT /user/alice HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n{");

        Assert.StartsWith("HTTP/1.1 408 Request Timeout\r\n", answer, StringComparison.Ordinal);
        Assert.Contains(EdgeAnswers.Problem(408, "request_too_slow", "The request body arrived too slowly.").Body, answer, StringComparison.Ordinal);
        Assert.Contains("\r\nConnection: close\r\n", answer, StringComparison.Ordinal);
        Assert.Empty(_upstream.Requests);
    }

    [Fact]
    public async Task Connection_ReadingItsAnswerTooSlowly_IsCut()
    {
        await using var upstream = await Upstream.StartAsync(answer: context => context.Response.Body.WriteAsync(new byte[64_000_000], context.RequestAborted).AsTask());
        await using var edge = await EdgeHost.ReadyAsync([upstream],
            ($"{Limits}:MinResponseDataRate:BytesPerSecond", "100000000"), ($"{Limits}:MinResponseDataRate:GracePeriod", "00:00:01.100"));
        using var connection = await RawConnection.OpenAsync(edge.Public.BaseAddress!);
        await connection.SendAsync("GET /user/alice HTTP/1.1\r\nHost: x\r\n\r\n");
        var head = await connection.ReadHeadAsync();

        await Eventually.HoldsAsync(async () => await Record.ExceptionAsync(() => connection.SendAsync("x")) is SocketException);

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", head, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Connection_Idle_IsClosed()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], ($"{Limits}:KeepAliveTimeout", "00:00:02"));

        var answer = await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, "GET /user/alice HTTP/1.1\r\nHost: x\r\n\r\n");

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", answer, StringComparison.Ordinal);
        Assert.DoesNotContain("Connection: close", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(60, 10, 200)]
    [InlineData(70, 10, 431)]
    [InlineData(4, 9_000, 431)]
    public async Task Headers_OverNumberOrSize_Are431(int count, int length, int status)
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream]);
        var headers = string.Concat(Enumerable.Range(0, count).Select(i => $"X-{i}: {new string('a', length)}\r\n"));
        using var connection = await RawConnection.OpenAsync(edge.Public.BaseAddress!);

        await connection.SendAsync($"GET /user/alice HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        var answer = await connection.ReadHeadAsync();

        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(8_000, 200)]
    [InlineData(8_200, 414)]
    public async Task RequestLine_OverItsSize_Is414(int length, int status)
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream]);
        using var connection = await RawConnection.OpenAsync(edge.Public.BaseAddress!);

        await connection.SendAsync($"GET /user/alice?{new string('a', length)} HTTP/1.1\r\nHost: x\r\n\r\n");
        var answer = await connection.ReadHeadAsync();

        Assert.StartsWith($"HTTP/1.1 {status} ", answer, StringComparison.Ordinal);
    }

    [Fact]
    public async Task HealthPort_WhileManyRequestsHang_Answers()
    {
        const int Many = 500;
        var arrived = 0;
        await using var upstream = await Upstream.StartAsync(answer: context =>
        {
            Interlocked.Increment(ref arrived);
            return Task.Delay(Timeout.Infinite, context.RequestAborted);
        });
        await using var edge = await EdgeHost.ReadyAsync([upstream], ($"{EdgeHost.Metadata}:Retry.Attempts", "1"), ("Edge:FairShares", "false"));
        var connections = new List<RawConnection>();
        for (var i = 0; i < Many; i++)
        {
            connections.Add(await RawConnection.OpenAsync(edge.Public.BaseAddress!));
            await connections[i].SendAsync("GET /user/alice HTTP/1.1\r\nHost: x\r\n\r\n");
        }

        await Eventually.HoldsAsync(() => Task.FromResult(Volatile.Read(ref arrived) == Many));
        var answer = await edge.Health.AskAsync("/ready");
        connections.ForEach(connection => connection.Dispose());

        Assert.Equal(new Answer(200, "LIVE\n"), answer);
    }
}
