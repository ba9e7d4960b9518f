using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Yarp.ReverseProxy;

namespace UserSvc.Tests.Edge.Resilience;

public sealed class TimeoutTests
{
    private static readonly Answer TimedOut = EdgeAnswers.Problem(504, "upstream_timeout", "The service did not answer in time.");

    private readonly FakeTimeProvider _time = new();

    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    public async Task Request_LongerThanItsRouteAllows_Is504(string method)
    {
        await using var upstream = await Upstream.StartAsync(answer: context => Task.Delay(Timeout.Infinite, context.RequestAborted));
        await using var edge = await EdgeHost.ReadyAsync(_time, [upstream], (EdgeHost.RouteTimeout, "00:00:15"));
        using var request = new HttpRequestMessage(new(method), "/user/alice");

        var answering = edge.Public.AskAsync(request);
        await Eventually.HoldsAsync(() => Task.FromResult(upstream.Requests.Count == 1));
        _time.Advance(TimeSpan.FromSeconds(15));

        Assert.Equal(TimedOut, await answering);
    }

    [Fact]
    public async Task Answer_WhoseBodyPausesLongerThanAnAttempt_IsWhole()
    {
        var release = new TaskCompletionSource();
        await using var first = await Upstream.StartAsync("usersvc-1", PausingAsync);
        await using var second = await Upstream.StartAsync("usersvc-2", PausingAsync);
        await using var edge = await EdgeHost.ReadyAsync(_time, [first, second], (EdgeHost.AttemptTimeout, "00:00:01"), (EdgeHost.RouteTimeout, "00:00:15"));

        using var response = await edge.Public.GetAsync("/user/alice", HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        // Longer than an attempt's time, whose end would cut the body.
        _time.Advance(TimeSpan.FromSeconds(14));
        release.SetResult();

        Assert.Equal(new Answer(200, "one two"), await Answer.ReadAsync(response));

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
        await using var edge = await EdgeHost.ReadyAsync(_time, [upstream], (EdgeHost.RouteTimeout, "00:00:15"));
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
        _time.Advance(TimeSpan.FromMinutes(1));
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
        Task<Answer>[] answers = [edge.Public.AskAsync(one), edge.Public.AskAsync(another)];
        await Task.WhenAny(answers);
        await Eventually.HoldsAsync(() => Task.FromResult(silent.Requests.Count == 1));
        _time.Advance(TimeSpan.FromSeconds(15));
        await Task.WhenAll(answers);

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

        await client.GetStream().WriteAsync(System.Text.Encoding.ASCII.GetBytes($"{method} /user/alice HTTP/1.1\r\nHost: edge\r\nContent-Length: 100000\r\n\r\n{new string('a', 70_000)}"), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(client.GetStream());
        await Eventually.HoldsAsync(() => Task.FromResult(InFlight(edge) == 1));
        _time.Advance(TimeSpan.FromSeconds(15));
        var answer = await reader.ReadLineAsync(TestContext.Current.CancellationToken);

        Assert.Equal(("HTTP/1.1 504 Gateway Timeout", 0), (answer, edge.Unhealthy()));
    }

    // One failure ejects, and no retry hides it.
    private Task<EdgeHost> StartAsync(params Upstream[] upstreams) => EdgeHost.ReadyAsync(_time, upstreams,
        (EdgeHost.RouteTimeout, "00:00:15"), (EdgeHost.AttemptTimeout, "00:00:05"), ("Kestrel:Limits:MinRequestBodyDataRate:GracePeriod", "00:01:00"), ("Kestrel:Limits:MaxRequestBodySize", "1000000"),
        ($"{EdgeHost.Metadata}:Ejection.ConsecutiveFailures", "1"), ($"{EdgeHost.Metadata}:Retry.BudgetPerSecond", "0"), ($"{EdgeHost.Metadata}:Retry.BudgetPercent", "0"));

    private static int InFlight(EdgeHost edge) => edge.Services.GetRequiredService<IProxyStateLookup>().GetClusters()
        .Sum(c => c.DestinationsState.AllDestinations.Sum(d => d.ConcurrentRequestCount));
}
