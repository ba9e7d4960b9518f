using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Http;

namespace UserSvc.Tests.Edge.Sidecar;

public sealed class SidecarTests
{
    private const string Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task AnyPath_OnThePublicPort_IsTheInstances()
    {
        await using var instance = await Upstream.StartAsync();
        await using var sidecar = await SidecarHost.ReadyAsync(instance.Address);

        foreach (var path in (string[])["/", "/alive", "/openapi/v1.json", "/ready", "/user/alice"])
        {
            Assert.Equal(new(200, "usersvc-1"), await sidecar.Public.AskAsync(path));
        }

        Assert.Equal(["/", "/alive", "/openapi/v1.json", "/ready", "/user/alice"], instance.Requests.Select(request => request.Target));
        Assert.Equal(SidecarHost.Problem(404, "path_not_found", "There is nothing at this path."), await sidecar.Health.AskAsync("/user/alice"));
    }

    [Fact]
    public async Task Probe_OfTheInstanceThroughTheSidecar_IsTheInstancesOwnAnswer()
    {
        await using var instance = await Upstream.StartAsync();
        await using var sidecar = await SidecarHost.ReadyAsync(instance.Address);

        var ready = (await sidecar.Public.AskAsync("/health")).Status;
        instance.Healthy = false;
        var unready = (await sidecar.Public.AskAsync("/health")).Status;

        Assert.Equal((200, 503), (ready, unready));
    }

    [Fact]
    public async Task Probe_WhileTheSidecarDrains_IsItsOwnRefusalAndRequestsStillPass()
    {
        await using var instance = await Upstream.StartAsync();
        await using var sidecar = await SidecarHost.ReadyAsync(instance.Address, ("Drain:Time", "00:05:00"));

        var stopping = sidecar.StopAsync();
        var probe = await sidecar.Public.AskAsync("/health");
        var request = await sidecar.Public.AskAsync("/user/alice");

        Assert.Equal(SidecarHost.Problem(503, "unavailable", "drain: draining"), probe);
        Assert.Equal((new Answer(200, "usersvc-1"), false), (request, stopping.IsCompleted));
    }

    [Theory]
    [InlineData("/healthcheck/fail", "operator: failed by POST /healthcheck/fail")]
    [InlineData("/drain_listeners?graceful", "operator: the listeners are drained")]
    public async Task Probe_AfterAnOperatorHasTakenTheSidecarOut_IsItsOwnRefusal(string command, string reason)
    {
        await using var instance = await Upstream.StartAsync();
        await using var sidecar = await SidecarHost.ReadyAsync(instance.Address, ("Drain:Time", "00:05:00"));
        using var takeOut = new HttpRequestMessage(HttpMethod.Post, command);

        await sidecar.Admin.AskAsync(takeOut);
        var probe = await sidecar.Public.AskAsync("/health");
        var request = await sidecar.Public.AskAsync("/user/alice");

        Assert.Equal(SidecarHost.Problem(503, "unavailable", reason), probe);
        Assert.Equal(new(200, "usersvc-1"), request);
    }

    // As it drains: it serves until it has ended.
    [Fact]
    public async Task Instance_ThatIsNotReady_StillGetsItsRequests()
    {
        await using var instance = await Upstream.StartAsync();
        await using var sidecar = await SidecarHost.ReadyAsync(instance.Address);

        instance.Healthy = false;
        await Eventually.HoldsAsync(() => Task.FromResult(sidecar.Unhealthy() == 1));

        Assert.Equal(new(200, "usersvc-1"), await sidecar.Public.AskAsync("/user/alice"));
    }

    [Fact]
    public async Task Instance_ThatFailsAgainAndAgain_GetsEachRequestOnceAndIsNotEjected()
    {
        await using var instance = await Upstream.StartAsync(answer: context =>
        {
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return Task.CompletedTask;
        });
        await using var sidecar = await SidecarHost.ReadyAsync(instance.Address);

        for (var i = 0; i < 12; i++)
        {
            Assert.Equal(new(503, ""), await sidecar.Public.AskAsync("/user/alice"));
        }

        Assert.Equal((12, 0), (instance.Requests.Count, sidecar.Unhealthy()));
    }

    [Fact]
    public async Task Instance_ThatIsGone_IsABadGatewayInTheSidecarsName()
    {
        await using var instance = await Upstream.StartAsync();
        await using var sidecar = await SidecarHost.ReadyAsync(instance.Address);

        await instance.StopAsync();
        await Eventually.HoldsAsync(() => Task.FromResult(sidecar.Unhealthy() == 1));

        var gone = SidecarHost.Problem(502, "upstream_failed", "The service failed to answer.");
        Assert.Equal((gone, gone), (await sidecar.Public.AskAsync("/user/alice"), await sidecar.Public.AskAsync("/health")));
    }

    [Fact]
    public async Task Overload_OfTheInstance_PassesBothProxiesUnchangedAndIsNotRetried()
    {
        await using var instance = await Upstream.StartAsync(answer: context =>
        {
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            context.Response.Headers.RetryAfter = "1";
            context.Response.Headers["x-envoy-overloaded"] = "true";
            return context.Response.WriteAsync("full");
        });
        await using var sidecar = await SidecarHost.ReadyAsync(instance.Address);
        await using var other = await SidecarHost.ReadyAsync(instance.Address);
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", $"{sidecar.Address("Http")}"), ("usersvc-2", $"{other.Address("Http")}")]);

        using var response = await edge.Public.GetAsync("/user/alice", Cancellation);

        Assert.Equal(
            (new Answer(503, "full"), "1", "true", 1),
            (await Answer.ReadAsync(response), $"{response.Headers.RetryAfter}", response.Headers.GetValues("x-envoy-overloaded").Single(), instance.Requests.Count));
    }

    [Fact]
    public async Task ClientsAddressAndRequestId_ThroughTheEdgeAndTheSidecar_ArriveAtTheInstance()
    {
        await using var instance = await Upstream.StartAsync();
        await using var sidecar = await SidecarHost.ReadyAsync(instance.Address);
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", $"{sidecar.Address("Http")}")]);
        using var client = From(IPAddress.Parse("127.0.0.2"), edge.Public.BaseAddress!);
        client.DefaultRequestHeaders.Add("X-Request-Id", "request-1");
        client.DefaultRequestHeaders.Add("X-Forwarded-For", "6.6.6.6");
        client.DefaultRequestHeaders.Add("x-envoy-external-address", "6.6.6.6");

        using var response = await client.GetAsync("/user/alice", Cancellation);

        var received = Assert.Single(instance.Requests).Headers;
        Assert.Equal(
            ("127.0.0.2", "127.0.0.2, 127.0.0.1", "http", edge.Public.BaseAddress!.Authority, "request-1", "1"),
            (received["x-envoy-external-address"], received["X-Forwarded-For"], received["X-Forwarded-Proto"], received["X-Forwarded-Host"], received["X-Request-Id"], received["x-envoy-attempt-count"]));
        Assert.Equal(["request-1"], response.Headers.GetValues("X-Request-Id"));
    }

    [Theory]
    [InlineData("127.0.0.1", "9.9.9.9, 127.0.0.1", "2")]
    [InlineData("10.0.0.0/8", "127.0.0.1", "1")]
    public async Task WhatTheEdgeSays_IsKeptFromATrustedOneOnly(string trusted, string forwardedFor, string attempt)
    {
        await using var instance = await Upstream.StartAsync();
        await using var sidecar = await SidecarHost.ReadyAsync(instance.Address, ("Edge:TrustedProxies:0", trusted));
        using var request = new HttpRequestMessage(HttpMethod.Get, "/user/alice") { Headers = { { "X-Forwarded-For", "9.9.9.9" }, { "x-envoy-attempt-count", "2" } } };

        await sidecar.Public.AskAsync(request);

        var received = Assert.Single(instance.Requests).Headers;
        Assert.Equal((forwardedFor, attempt), (received["X-Forwarded-For"], received["x-envoy-attempt-count"]));
    }

    [Theory]
    [InlineData("true", "01")]
    [InlineData("false", "00")]
    public async Task SampledFlag_OfTheEdge_IsKeptAsShippedAndCanBeMistrusted(string trust, string flags)
    {
        await using var instance = await Upstream.StartAsync();
        await using var sidecar = await SidecarHost.ReadyAsync(instance.Address, trust == "true" ? [] : [("Edge:TrustSampling", trust)]);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/user/alice") { Headers = { { "traceparent", Traceparent } } };

        await sidecar.Public.AskAsync(request);

        var sent = Assert.Single(instance.Requests).Headers["traceparent"];
        Assert.Equal((Traceparent[..36], flags), (sent[..36], sent[^2..]));
    }

    private static HttpClient From(IPAddress address, Uri server) => new(new SocketsHttpHandler
    {
        ConnectCallback = async (context, cancellation) =>
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(address, 0));
            await socket.ConnectAsync(context.DnsEndPoint, cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        },
    }) { BaseAddress = server };
}
