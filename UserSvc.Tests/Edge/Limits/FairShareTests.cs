using System.Collections.Concurrent;
using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Time.Testing;
using UserSvc.Tests.Edge.Admin;
using UserSvc.Tests.Edge.Sidecar;

namespace UserSvc.Tests.Edge.Limits;

/// <summary>A client's share of the requests in flight, and that each is given back.</summary>
public sealed class FairShareTests : IAsyncLifetime
{
    private const string MaxRequests = $"{EdgeHost.Metadata}:CircuitBreaker.MaxRequests";

    private readonly TaskCompletionSource _release = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentBag<RawConnection> _connections = [];
    private Upstream _upstream = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _upstream = await Upstream.StartAsync(answer: AnswerAsync);

    public async ValueTask DisposeAsync()
    {
        _release.TrySetResult();
        foreach (var connection in _connections)
        {
            connection.Dispose();
        }

        await _upstream.DisposeAsync();
    }

    [Fact]
    public async Task Newcomer_WhileFiftyAddressesHoldAllTheyGet_IsServed()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], (MaxRequests, "200"));
        var statuses = new List<string>();
        for (var i = 0; i < 3 * 50; i++)
        {
            statuses.Add(await SendAsync(edge, "/user/begun", $"127.0.0.{2 + (i % 50)}"));
        }

        // Those that are refused have waited.
        statuses.AddRange(await Task.WhenAll(Enumerable.Range(0, 2 * 50).Select(i => SendAsync(edge, "/user/begun", $"127.0.0.{2 + (i % 50)}"))));

        var newcomer = await SendAsync(edge, "/user/alice", "127.0.0.52");
        await edge.SettlesAsync("pending_overflow|remaining_rq", """
            cluster.usersvc.circuit_breakers.default.remaining_rq: 24
            cluster.usersvc.upstream_rq_pending_overflow: 74
            cluster.usersvc.upstream_rq_pending_overflow.client: 74

            """);
        _release.SetResult();
        await edge.SettlesAsync("remaining_rq", "cluster.usersvc.circuit_breakers.default.remaining_rq: 200\n");

        Assert.Equal("200 OK", newcomer);
        Assert.Equal([("200 OK", 176), ("429 Too Many Requests", 74)], statuses.CountBy(status => status).Select(count => (count.Key, count.Value)));
    }

    [Fact]
    public async Task Request_OverTheShare_IsServedOnceAnotherOfItsClientHasEnded()
    {
        var time = new FakeTimeProvider();
        await using var edge = await EdgeHost.ReadyAsync(time, [_upstream], (MaxRequests, "2"));
        var held = await SendAsync(edge, "/user/begun");

        var waiting = SendAsync(edge, "/user/alice");
        await edge.SettlesAsync("^http.http.downstream_rq_active", "http.http.downstream_rq_active: 2\n");
        _release.SetResult();
        await edge.SettlesAsync("remaining_rq", "cluster.usersvc.circuit_breakers.default.remaining_rq: 2\n");
        await Eventually.HoldsAsync(() =>
        {
            time.Advance(TimeSpan.FromMilliseconds(50));
            return Task.FromResult(waiting.IsCompleted);
        });

        Assert.Equal(("200 OK", "200 OK", ""), (held, await waiting, await edge.StatsAsync("pending_overflow")));
    }

    [Theory]
    [InlineData("answered")]
    [InlineData("left before the answer")]
    [InlineData("left within the answer")]
    [InlineData("stream reset")]
    [InlineData("cut by the instance")]
    [InlineData("cut by the instance within the answer")]
    [InlineData("upgraded")]
    public async Task Request_HoweverItEnds_GivesItsSlotBackOnce(string end)
    {
        // The one slot is free, or its client gets 503; the client holds none, or it gets 429.
        await using var edge = await EdgeHost.ReadyAsync([_upstream],
            (MaxRequests, "1"), ("Kestrel:Endpoints:Http2:Url", "http://127.0.0.1:0"), ("Kestrel:Endpoints:Http2:Protocols", "Http2"));

        for (var i = 0; i < 2; i++)
        {
            await SendAndEndAsync(edge, end);
            await edge.SettlesAsync("remaining_rq", "cluster.usersvc.circuit_breakers.default.remaining_rq: 1\n");
        }

        Assert.Equal((new Answer(200, "served"), ""), (await edge.Public.AskAsync("/user/alice"), await edge.StatsAsync("pending_overflow")));
    }

    [Fact]
    public async Task Client_BehindATrustedProxy_HasItsOwnShareAndTheProxyMayTakeAll()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], (MaxRequests, "10"), ("Edge:TrustedProxies:0", "127.0.0.1"));
        var held = new List<string>();
        for (var i = 0; i < 4; i++)
        {
            held.Add(await SendAsync(edge, "/user/begun", client: "9.9.9.9"));
        }

        using var request = new HttpRequestMessage(HttpMethod.Get, "/user/alice") { Headers = { { "X-Forwarded-For", "9.9.9.9" } } };
        using var refused = await edge.Public.SendAsync(request, Cancellation);
        var meanwhile = await SendAsync(edge, "/user/alice", client: "9.9.9.8");
        await edge.SettlesAsync("remaining_rq", "cluster.usersvc.circuit_breakers.default.remaining_rq: 6\n");
        for (var i = 0; i < 6; i++)
        {
            held.Add(await SendAsync(edge, "/user/begun"));
        }

        var full = await SendAsync(edge, "/user/alice", client: "9.9.9.7");
        _release.SetResult();
        await edge.SettlesAsync("remaining_rq", "cluster.usersvc.circuit_breakers.default.remaining_rq: 10\n");

        Assert.Equal(EdgeAnswers.Problem(429, "rate_limited", "Too many requests of this client are in flight."), await Answer.ReadAsync(refused));
        Assert.Equal((TimeSpan.FromSeconds(1), "true"), (refused.Headers.RetryAfter?.Delta, refused.Headers.GetValues("x-envoy-ratelimited").Single()));
        Assert.Equal(Enumerable.Repeat("200 OK", 10), held);
        Assert.Equal(("200 OK", "503 Service Unavailable", "200 OK"), (meanwhile, full, await SendAsync(edge, "/user/alice", client: "9.9.9.9")));
    }

    [Fact]
    public async Task Sidecar_AsShipped_GivesItsOneClientAll()
    {
        await using var sidecar = await SidecarHost.ReadyAsync(_upstream.Address, (MaxRequests, "2"), ("Edge:TrustedProxies:0", "10.0.0.0/8"));

        var statuses = (await SendAsync(sidecar, "/user/begun"), await SendAsync(sidecar, "/user/begun"), await SendAsync(sidecar, "/user/begun"));

        Assert.Equal(("200 OK", "200 OK", "503 Service Unavailable"), statuses);
    }

    private async Task AnswerAsync(HttpContext context)
    {
        switch (context.Request.Path.Value)
        {
            case "/user/silent":
                await Task.Delay(Timeout.Infinite, context.RequestAborted);
                break;
            case "/user/begun":
                await BeginAsync(context);
                await _release.Task.WaitAsync(context.RequestAborted);
                break;
            case "/user/cut":
                context.Abort();
                break;
            case "/user/begun-and-cut":
                await BeginAsync(context);
                context.Abort();
                break;
            case "/user/socket":
                await using (var upgraded = await context.Features.GetRequiredFeature<IHttpUpgradeFeature>().UpgradeAsync())
                {
                    await upgraded.CopyToAsync(Stream.Null, context.RequestAborted);
                }

                break;
            default:
                await context.Response.WriteAsync("served", context.RequestAborted);
                break;
        }

        static async Task BeginAsync(HttpContext context)
        {
            await context.Response.WriteAsync("begun", context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }
    }

    private Task SendAndEndAsync(EdgeHost edge, string end) => end switch
    {
        "answered" => SendAsync(edge, "/user/alice"),
        "left before the answer" => LeaveAsync(edge, "/user/silent", answered: false),
        "left within the answer" => LeaveAsync(edge, "/user/begun", answered: true),
        "stream reset" => ResetAsync(edge),
        "cut by the instance" => SendAsync(edge, "/user/cut"),
        "cut by the instance within the answer" => SendAsync(edge, "/user/begun-and-cut"),
        _ => LeaveAsync(edge, "/user/socket", answered: true, "Connection: Upgrade\r\nUpgrade: websocket\r\n"),
    };

    private async Task LeaveAsync(EdgeHost edge, string path, bool answered, string headers = "")
    {
        var arrived = _upstream.Requests.Count;
        using var connection = await RawConnection.OpenAsync(edge.Public.BaseAddress!);
        await connection.SendAsync($"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        await Eventually.HoldsAsync(() => Task.FromResult(_upstream.Requests.Count > arrived));
        if (answered)
        {
            await connection.ReadHeadAsync();
        }
    }

    // HttpClient sends RST_STREAM.
    private async Task ResetAsync(EdgeHost edge)
    {
        var arrived = _upstream.Requests.Count;
        using var client = new HttpClient { BaseAddress = edge.Address("Http2"), DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using var leaving = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var request = client.GetAsync("/user/silent", leaving.Token);
        await Eventually.HoldsAsync(() => Task.FromResult(_upstream.Requests.Count > arrived));
        await leaving.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => request);
    }

    /// <summary>Sends a GET on a connection of its own and reads the answer's head.</summary>
    private async Task<string> SendAsync(EdgeHost edge, string path, string from = "127.0.0.1", string? client = null)
    {
        var connection = await RawConnection.OpenAsync(edge.Public.BaseAddress!, IPAddress.Parse(from));
        _connections.Add(connection);
        await connection.SendAsync($"GET {path} HTTP/1.1\r\nHost: x\r\n{(client is null ? "" : $"X-Forwarded-For: {client}\r\n")}\r\n");
        return (await connection.ReadHeadAsync()).Split("\r\n")[0].Replace("HTTP/1.1 ", "", StringComparison.Ordinal);
    }
}
