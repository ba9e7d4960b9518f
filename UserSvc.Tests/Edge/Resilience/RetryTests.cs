using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace UserSvc.Tests.Edge.Resilience;

public sealed class RetryTests
{
    private static readonly Answer Answered = new(200, "answered");
    private static readonly Answer BadGateway = EdgeAnswers.Problem(502, "upstream_failed", "The service failed to answer.");
    private static readonly Answer TimedOut = EdgeAnswers.Problem(504, "upstream_timeout", "The service did not answer in time.");
    private static readonly (string, string)[] Times = [(EdgeHost.AttemptTimeout, "00:00:01"), (EdgeHost.RouteTimeout, "00:00:15")];

    // Advanced only where an instance stays silent: nothing else can time out.
    private readonly FakeTimeProvider _time = new();

    [Theory]
    [InlineData("GET", null, "reset", 200)]
    [InlineData("GET", null, "502", 200)]
    [InlineData("GET", null, "503", 200)]
    [InlineData("GET", null, "silence", 200)]
    [InlineData("GET", null, "500", 500)]
    [InlineData("GET", null, "504", 504)]
    [InlineData("GET", null, "overload", 503)]
    [InlineData("HEAD", null, "503", 200)]
    [InlineData("GET", "Authorization: Bearer key", "reset", 200)]
    [InlineData("PUT", null, "reset", 200)]
    [InlineData("PUT", null, "502", 200)]
    [InlineData("PUT", null, "503", 200)]
    [InlineData("PUT", null, "silence", 504)]
    [InlineData("PUT", null, "overload", 503)]
    [InlineData("PUT", "Authorization: Basic YTpi", "reset", 502)]
    [InlineData("PUT", "If-None-Match: *", "503", 503)]
    [InlineData("PUT", "If-Match: *", "reset", 502)]
    [InlineData("DELETE", null, "reset", 502)]
    [InlineData("DELETE", null, "503", 503)]
    [InlineData("POST", null, "reset", 502)]
    [InlineData("POST", null, "503", 503)]
    [InlineData("PATCH", null, "reset", 502)]
    public async Task Request_FailedAtTheFirstInstance_IsRetriedAtTheOtherOnlyIfItMayBeDoneTwice(string method, string? header, string fault, int status)
    {
        await using var pair = await FaultyPair.StartAsync(context => FailAsync(context, fault));
        await using var edge = await pair.EdgeAsync(_time, Times);
        using var request = new HttpRequestMessage(new(method), "/user/alice") { Content = method is "PUT" or "POST" ? new StringContent("a body") : null };
        if (header?.Split(": ") is [var name, var value])
        {
            request.Headers.Add(name, value);
        }

        var answering = edge.Public.SendAsync(request, TestContext.Current.CancellationToken);
        if (fault == "silence")
        {
            await pair.Faulted;
            _time.Advance(TimeSpan.FromSeconds(method == "GET" ? 1 : 15));
        }

        using var response = await answering;

        string[] attempts = status == 200 ? [$"{method} 1", $"{method} 2"] : [$"{method} 1"];
        Assert.Equal((status, string.Join(", ", attempts)), ((int)response.StatusCode, string.Join(", ", pair.Attempts)));
    }

    [Theory]
    [InlineData("true", "503", "2")]
    [InlineData("true", "500", "1")]
    [InlineData("false", "503", null)]
    public async Task Answer_WithAnswerAttemptCount_SaysHowManyAttemptsItTook(string setting, string fault, string? attempts)
    {
        await using var pair = await FaultyPair.StartAsync(context => FailAsync(context, fault));
        await using var edge = await pair.EdgeAsync(("Edge:AnswerAttemptCount", setting));

        using var response = await edge.Public.GetAsync("/user/alice", TestContext.Current.CancellationToken);

        Assert.Equal(attempts, response.Headers.TryGetValues("x-envoy-attempt-count", out var count) ? string.Join(", ", count) : null);
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("PUT")]
    [InlineData("POST")]
    [InlineData("DELETE")]
    public async Task Request_ToAnInstanceThatRefusesConnections_IsAnsweredByTheOther(string method)
    {
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", upstream.Address), ("usersvc-2", "http://127.0.0.1:1")], ($"{EdgeHost.Probing}:Enabled", "false"));

        var answers = await AskTwiceAsync(edge, method);

        Assert.Equal((new Answer(200, "usersvc-1"), new Answer(200, "usersvc-1")), answers);
        Assert.Equal([$"{method} 1", $"{method} 2"], upstream.Requests.Select(r => $"{r.Method} {r.Headers["x-envoy-attempt-count"]}").Order());
    }

    [Theory]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    public async Task Request_ToAHostThatDoesNotTakeTheConnection_IsAnsweredByTheOther(string method)
    {
        // Linux drops the handshake of who comes when the queue of connections not yet accepted is full: here it holds one.
        using var listener = new Socket(SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(0);
        using var queued = new Socket(SocketType.Stream, ProtocolType.Tcp);
        await queued.ConnectAsync(listener.LocalEndPoint!, TestContext.Current.CancellationToken);
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await EdgeHost.StartAsync(
            [("usersvc-1", upstream.Address), ("usersvc-2", $"http://{listener.LocalEndPoint}")],
            ($"{EdgeHost.Probing}:Enabled", "false"), ($"{EdgeHost.Passive}:Enabled", "false"), (EdgeHost.ConnectTimeout, "00:00:00.250"));
        // The instance that answers now has a pooled connection: only connecting to the other can time out.
        await Eventually.HoldsAsync(async () => (await edge.Public.AskAsync("/user/warm")).Status == 200);
        upstream.Requests.Clear();

        var answers = await AskTwiceAsync(edge, method);

        Assert.Equal((new Answer(200, "usersvc-1"), new Answer(200, "usersvc-1")), answers);
        Assert.Equal([$"{method} 1", $"{method} 2"], upstream.Requests.Select(r => $"{r.Method} {r.Headers["x-envoy-attempt-count"]}").Order());
    }

    [Fact]
    public async Task Body_OfARequestThatIsRetried_ArrivesWholeAtBoth()
    {
        await using var pair = await FaultyPair.StartAsync(context => FailAsync(context, "503"));
        await using var edge = await pair.EdgeAsync();

        var answer = await PutAsync(edge, new byte[64 * 1024]);

        Assert.Equal(Answered, answer);
        Assert.Equal([64 * 1024, 64 * 1024], pair.Upstreams.SelectMany(u => u.Requests).Select(r => r.BodyLength));
    }

    [Fact]
    public async Task Body_LargerThanWhatIsKept_IsNotRetried()
    {
        await using var pair = await FaultyPair.StartAsync(context => FailAsync(context, "reset"));
        await using var edge = await pair.EdgeAsync(("Kestrel:Limits:MaxRequestBodySize", "1000000"));

        var answer = await PutAsync(edge, new byte[(64 * 1024) + 1]);

        Assert.Equal(BadGateway, answer);
        Assert.Equal(["PUT 1"], pair.Attempts);
    }

    [Fact]
    public async Task HeldBackAnswer_LeavesNoTraceInTheOneThatFollows()
    {
        await using var pair = await FaultyPair.StartAsync(context =>
        {
            context.Response.Headers["X-Of-The-First"] = "yes";
            return FailAsync(context, "503");
        });
        await using var edge = await pair.EdgeAsync();

        using var response = await edge.Public.GetAsync("/user/alice", TestContext.Current.CancellationToken);

        Assert.Equal(Answered, await Answer.ReadAsync(response));
        Assert.Equal(["Date", "Transfer-Encoding", "Via", "X-Request-ID"], response.Headers.Select(h => h.Key).Order());
    }

    [Fact]
    public async Task Attempts_OfOne_DisableRetries()
    {
        await using var pair = await FaultyPair.StartAsync(context => FailAsync(context, "reset"));
        await using var edge = await pair.EdgeAsync(($"{EdgeHost.Metadata}:Retry.Attempts", "1"));

        var answer = await edge.Public.AskAsync("/user/alice");

        Assert.Equal(BadGateway, answer);
    }

    [Fact]
    public async Task Budget_UsedUp_LetsTheFailureThrough()
    {
        await using var pair = await FaultyPair.StartAsync(context => FailAsync(context, "503"));
        await using var edge = await pair.EdgeAsync(($"{EdgeHost.Metadata}:Retry.BudgetPercent", "0"), ($"{EdgeHost.Metadata}:Retry.BudgetPerSecond", "0"));

        using var response = await edge.Public.GetAsync("/user/alice", TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal(["GET 1"], pair.Attempts);
    }

    [Fact]
    public async Task EveryInstance_Silent_Is504WithinTheTimeOfTheRequest()
    {
        await using var first = await Upstream.StartAsync("usersvc-1", context => FailAsync(context, "silence"));
        await using var second = await Upstream.StartAsync("usersvc-2", context => FailAsync(context, "silence"));
        await using var edge = await EdgeHost.ReadyAsync(_time, [first, second], Times);

        var answering = edge.Public.AskAsync("/user/alice");
        await Eventually.HoldsAsync(() => Task.FromResult(first.Requests.Count + second.Requests.Count == 1));
        _time.Advance(TimeSpan.FromSeconds(1));
        await Eventually.HoldsAsync(() => Task.FromResult(first.Requests.Count + second.Requests.Count == 2));
        _time.Advance(TimeSpan.FromSeconds(14));

        Assert.Equal(TimedOut, await answering);
        Assert.Equal((1, 1), (first.Requests.Count, second.Requests.Count));
    }

    [Theory]
    [InlineData("DELETE", 502, 1)]
    [InlineData("POST", 502, 1)]
    [InlineData("GET", 200, 2)]
    public async Task Request_WithoutABodyOnAUsedConnectionThatIsClosed_IsNotSentAgainUnlessItIsSafe(string method, int status, int arrivals)
    {
        // It answers the first request, closes the connection at the second one as a server does that dies, and answers the others.
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var requests = 0;
        _ = AcceptAsync();
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", $"http://{listener.LocalEndpoint}")], ($"{EdgeHost.Probing}:Enabled", "false"));
        await edge.Public.AskAsync("/user/alice");
        using var request = new HttpRequestMessage(new(method), "/user/alice");

        var answer = await edge.Public.AskAsync(request);

        Assert.Equal((status, 1 + arrivals), (answer.Status, requests));

        async Task AcceptAsync()
        {
            while (true)
            {
                _ = ServeAsync(await listener.AcceptTcpClientAsync(TestContext.Current.CancellationToken));
            }
        }

        async Task ServeAsync(TcpClient client)
        {
            using (client)
            using (var reader = new StreamReader(client.GetStream()))
            {
                while (await reader.ReadLineAsync() is { } line)
                {
                    if (line.Length == 0 && Interlocked.Increment(ref requests) == 2)
                    {
                        return;
                    }

                    if (line.Length == 0)
                    {
                        await client.GetStream().WriteAsync("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"u8.ToArray());
                    }
                }
            }
        }
    }

    private static Task FailAsync(HttpContext context, string fault)
    {
        switch (fault)
        {
            case "reset":
                context.Abort();
                return Task.CompletedTask;
            case "silence":
                return Task.Delay(Timeout.Infinite, context.RequestAborted);
            case "overload":
                context.Response.Headers["x-envoy-overloaded"] = "true";
                goto case "503";
            case "503":
                context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
                return context.Response.WriteAsync("the fault's own answer");
            default:
                context.Response.StatusCode = int.Parse(fault, System.Globalization.CultureInfo.InvariantCulture);
                return Task.CompletedTask;
        }
    }

    private static async Task<(Answer, Answer)> AskTwiceAsync(EdgeHost edge, string method)
    {
        using var first = new HttpRequestMessage(new(method), "/user/alice") { Content = method == "DELETE" ? null : new StringContent("a body") };
        using var second = new HttpRequestMessage(new(method), "/user/alice") { Content = method == "DELETE" ? null : new StringContent("a body") };
        return (await edge.Public.AskAsync(first), await edge.Public.AskAsync(second));
    }

    private static async Task<Answer> PutAsync(EdgeHost edge, byte[] body)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, "/user/alice") { Content = new ByteArrayContent(body) };
        return await edge.Public.AskAsync(request);
    }
}
