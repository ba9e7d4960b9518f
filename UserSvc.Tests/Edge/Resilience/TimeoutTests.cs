using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace UserSvc.Tests.Edge.Resilience;

public sealed class TimeoutTests
{
    private static readonly Answer TimedOut = EdgeAnswers.Problem(504, "Gateway Timeout", "The service did not answer in time.");

    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    public async Task Request_LongerThanItsRouteAllows_Is504(string method)
    {
        await using var upstream = await Upstream.StartAsync(answer: context => Task.Delay(Timeout.Infinite, context.RequestAborted));
        await using var edge = await EdgeHost.ReadyAsync([upstream], ("ReverseProxy:Routes:user:Timeout", "00:00:00.300"));
        using var request = new HttpRequestMessage(new(method), "/user/alice");

        var answer = await edge.Public.AskAsync(request);

        Assert.Equal(TimedOut, answer);
    }

    [Fact]
    public async Task Answer_WhoseBodyPausesLongerThanATry_IsWhole()
    {
        var release = new TaskCompletionSource();
        await using var first = await Upstream.StartAsync("usersvc-1", PausingAsync);
        await using var second = await Upstream.StartAsync("usersvc-2", PausingAsync);
        await using var edge = await EdgeHost.ReadyAsync([first, second], ($"{EdgeHost.Metadata}:Retry.TryTimeout", "00:00:00.100"));

        using var response = await edge.Public.GetAsync("/user/alice", HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        // Longer than the try's time, whose end would cut the body.
        await Task.Delay(TimeSpan.FromMilliseconds(300), TestContext.Current.CancellationToken);
        release.SetResult();

        Assert.Equal(new Answer(200, "one two"), await Answer.OfAsync(response));

        async Task PausingAsync(HttpContext context)
        {
            await context.Response.WriteAsync("one ");
            await context.Response.Body.FlushAsync();
            await release.Task;
            await context.Response.WriteAsync("two");
        }
    }

    [Fact]
    public async Task WebSocket_InUse_OutlivesTheTimeOfItsRequest()
    {
        await using var upstream = await Upstream.StartAsync(answer: async context =>
        {
            await using var upgraded = await context.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync();
            await upgraded.CopyToAsync(upgraded, context.RequestAborted);
        });
        await using var edge = await EdgeHost.ReadyAsync([upstream], ("ReverseProxy:Routes:user:Timeout", "00:00:00.200"));
        using var client = new System.Net.Sockets.TcpClient();
        await client.ConnectAsync(edge.Public.BaseAddress!.Host, edge.Public.BaseAddress.Port, TestContext.Current.CancellationToken);
        var connection = client.GetStream();
        await connection.WriteAsync("GET /user/echo HTTP/1.1\r\nHost: edge\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"u8.ToArray(), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(connection);
        var status = await reader.ReadLineAsync(TestContext.Current.CancellationToken);
        while (await reader.ReadLineAsync(TestContext.Current.CancellationToken) is { Length: > 0 })
        {
            // The answer's headers.
        }

        // Longer than the request may take.
        await Task.Delay(TimeSpan.FromMilliseconds(500), TestContext.Current.CancellationToken);
        await connection.WriteAsync("still here\n"u8.ToArray(), TestContext.Current.CancellationToken);
        var echo = await reader.ReadLineAsync(TestContext.Current.CancellationToken);

        Assert.Equal(("HTTP/1.1 101 Switching Protocols", "still here"), (status, echo));
    }

    [Fact]
    public async Task Request_TimedOutByItsRoute_CountsAgainstTheInstance()
    {
        await using var silent = await Upstream.StartAsync(answer: context => Task.Delay(Timeout.Infinite, context.RequestAborted));
        await using var other = await Upstream.StartAsync("usersvc-2");
        await using var edge = await StartAsync(silent, other);

        using var one = new HttpRequestMessage(HttpMethod.Post, "/user/alice");
        using var another = new HttpRequestMessage(HttpMethod.Post, "/user/alice");
        await Task.WhenAll(edge.Public.AskAsync(one), edge.Public.AskAsync(another));

        Assert.Equal((1, 1, 1), (edge.Unhealthy(), silent.Requests.Count, other.Requests.Count));
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("PUT")]
    [InlineData("POST")]
    public async Task Request_TimedOutByItsRouteWhileTheClientSendsItsBody_CountsAgainstNobody(string method)
    {
        await using var first = await Upstream.StartAsync();
        await using var second = await Upstream.StartAsync("usersvc-2");
        await using var edge = await StartAsync(first, second);
        using var client = new System.Net.Sockets.TcpClient();
        await client.ConnectAsync(edge.Public.BaseAddress!.Host, edge.Public.BaseAddress.Port, TestContext.Current.CancellationToken);

        await client.GetStream().WriteAsync(System.Text.Encoding.ASCII.GetBytes($"{method} /user/alice HTTP/1.1\r\nHost: edge\r\nContent-Length: 100\r\n\r\nthe beginning"), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(client.GetStream());
        var answer = await reader.ReadLineAsync(TestContext.Current.CancellationToken);

        Assert.Equal(("HTTP/1.1 504 Gateway Timeout", 0), (answer, edge.Unhealthy()));
    }

    // One failure ejects, and no retry hides it.
    private static Task<EdgeHost> StartAsync(params Upstream[] upstreams) => EdgeHost.ReadyAsync(upstreams,
        ("ReverseProxy:Routes:user:Timeout", "00:00:01"), ($"{EdgeHost.Metadata}:Retry.TryTimeout", "00:00:00.300"),
        ($"{EdgeHost.Metadata}:Ejection.ConsecutiveFailures", "1"), ($"{EdgeHost.Metadata}:Retry.BudgetPerSecond", "0"), ($"{EdgeHost.Metadata}:Retry.BudgetPercent", "0"));
}
