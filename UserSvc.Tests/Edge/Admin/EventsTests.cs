using System.Net;
using System.Net.ServerSentEvents;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Time.Testing;
using UserSvc.Tests.Edge.Discovery;

namespace UserSvc.Tests.Edge.Admin;

public sealed class EventsTests
{
    private const string SampleShape = "time,requests,errors,p50,p99,retries,ejections";

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Stream_FromItsStart_HasTheHistoryThenTheCurrentState()
    {
        await using var upstream = await Upstream.StartAsync();
        await using var sds = await SdsServer.StartAsync($$$"""{"hosts":[{"ip_address":"127.0.0.1","port":{{{new Uri(upstream.Address).Port}}}}]}""");
        var source = $"sds+http://{sds.Authority}/usersvc";
        await using var edge = await EdgeHost.StartAsync([("sds", source)]);
        await Eventually.HoldsAsync(async () => (await edge.Health.AskAsync("/ready")).Status == 200);
        await edge.Public.AskAsync("/user/alice");
        // A whole second has been sampled.
        await Eventually.HoldsAsync(async () => (await ReadAsync(edge, 3))[2].Data["clusters"]![0]!["sample"] is not null);

        var events = await ReadAsync(edge, 4);

        var (history, stats) = (events[0].Data, events[2].Data);
        Assert.Equal(["history", "failures", "stats", "stats"], events.Select(e => e.Type));
        Assert.Equal(
            ("fields,clusters", """["time","requests","errors","p50","p99","retries","ejections"]""", "usersvc", 7),
            (Shape(history), history["fields"]!.ToJsonString(), Shape(history["clusters"]), history["clusters"]!["usersvc"]![0]!.AsArray().Count));
        Assert.Equal("time,instance,downstream,clusters,discovery", Shape(stats));
        Assert.Equal("name,version,uptime,state,healthCheckFailed,ready,reason", Shape(stats["instance"]));
        Assert.Equal("connections,active,requests,1xx,2xx,3xx,4xx,5xx", Shape(stats["downstream"]));
        Assert.Equal(
            "name,policy,inFlight,maxRequests,requests,errors,retries.connect_failure,retries.reset,retries.try_timeout,retries.gateway_error,refused.retry_budget,"
                + "ejections,refused.cluster_limit,refused.client_limit,refused.destination_limit,healthy,total,panic,sample,destinations",
            Shape(stats["clusters"]![0]));
        Assert.Equal(SampleShape, Shape(stats["clusters"]![0]!["sample"]));
        Assert.Equal(
            "name,address,health,receives,inFlight,requests,errors,timeouts,connectFailures,ejections,rate,p50,p99",
            Shape(stats["clusters"]![0]!["destinations"]![0]));
        Assert.Equal("source,age,endpoints,failing", Shape(stats["discovery"]![0]));
        Assert.Equal(
            ("edge-1", "LIVE", true, null, "usersvc", 1, 1, false, upstream.Address, "healthy", true, source, 1, false),
            ((string?)stats["instance"]!["name"], (string?)stats["instance"]!["state"], (bool)stats["instance"]!["ready"]!, (string?)stats["instance"]!["reason"],
                (string?)stats["clusters"]![0]!["name"], (int)stats["clusters"]![0]!["requests"]!, (int)stats["clusters"]![0]!["healthy"]!, (bool)stats["clusters"]![0]!["panic"]!,
                (string?)stats["clusters"]![0]!["destinations"]![0]!["address"], (string?)stats["clusters"]![0]!["destinations"]![0]!["health"],
                (bool)stats["clusters"]![0]!["destinations"]![0]!["receives"]!,
                (string?)stats["discovery"]![0]!["source"], (int)stats["discovery"]![0]!["endpoints"]!, (bool)stats["discovery"]![0]!["failing"]!));
        Assert.EndsWith("Z", (string?)stats["time"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Destination_ThatDies_IsSeenInTheStream()
    {
        await using var one = await Upstream.StartAsync("usersvc-1");
        await using var two = await Upstream.StartAsync("usersvc-2");
        await using var edge = await EdgeHost.ReadyAsync([one, two]);

        await two.StopAsync();

        await UntilAsync(edge, stats => stats["clusters"]![0]!["destinations"]![1] is { } dead && (string?)dead["health"] == "outOfService" && !(bool)dead["receives"]!);
    }

    [Fact]
    public async Task Failure_DuringAStream_IsSentOnce()
    {
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", "http://127.0.0.1:1")], ("Edge:AccessLog:Requests", "Failures"));

        var (arrived, later) = (false, 0);

        var events = await ReadAsync(edge, (seen, data) =>
        {
            _ = seen == 3 ? edge.Public.AskAsync("/nothing") : null;
            arrived |= data["failures"] is JsonArray { Count: 1 };
            return arrived && ++later == 3;
        });

        Assert.Equal([0, 1], events.Where(e => e.Type == "failures").Select(e => e.Data["failures"]!.AsArray().Count));
    }

    [Fact]
    public async Task Streams_AtTheLimit_RefuseAnotherUntilOneEnds()
    {
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", "http://127.0.0.1:1")]);
        var streams = new List<HttpResponseMessage>();
        for (var i = 0; i < 32; i++)
        {
            streams.Add(await edge.Admin.GetAsync("/events", HttpCompletionOption.ResponseHeadersRead, Cancellation));
        }

        var refused = await edge.Admin.AskAsync("/events");
        streams[0].Dispose();
        await Eventually.HoldsAsync(async () =>
        {
            using var another = await edge.Admin.GetAsync("/events", HttpCompletionOption.ResponseHeadersRead, Cancellation);
            return another.StatusCode == HttpStatusCode.OK;
        });
        streams.ForEach(s => s.Dispose());

        Assert.Equal(EdgeAnswers.Problem(503, "unavailable", "All 32 streams are in use; close another page first."), refused);
    }

    [Fact]
    public async Task Stream_WhoseReaderStalls_IsCut()
    {
        var time = new FakeTimeProvider();
        await using var edge = await EdgeHost.StartAsync(time, [("usersvc-1", "http://127.0.0.1:1")], ("Kestrel:Limits:MinResponseDataRate:GracePeriod", "00:00:01.100"));
        using var stalled = await RawConnection.OpenAsync(edge.Admin.BaseAddress!, receiveBuffer: 4096);
        await stalled.SendAsync("GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        var head = await stalled.ReadHeadAsync();

        await Eventually.HoldsAsync(async () =>
        {
            time.Advance(TimeSpan.FromSeconds(0.5));
            return await Record.ExceptionAsync(() => stalled.SendAsync("x")) is SocketException;
        });

        Assert.StartsWith("HTTP/1.1 200 OK\r\n", head, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stream_WhenTheEdgeStops_EndsAndDoesNotDelayTheStop()
    {
        // A stream that delayed the stop would be cut after the grace period and not end cleanly.
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", "http://127.0.0.1:1")], ("Drain:Grace", "00:00:20"));
        using var stream = await edge.Admin.GetAsync("/events", HttpCompletionOption.ResponseHeadersRead, Cancellation);
        var reading = stream.Content.ReadAsStringAsync(Cancellation);

        await edge.StopAsync();

        Assert.StartsWith("event: history\n", await reading, StringComparison.Ordinal);
    }

    private static string Shape(JsonNode? node) => string.Join(',', node!.AsObject().Select(p => p.Key));

    private static Task<List<(string Type, JsonNode Data)>> ReadAsync(EdgeHost edge, int count) => ReadAsync(edge, (seen, _) => seen == count);

    private static Task<List<(string Type, JsonNode Data)>> UntilAsync(EdgeHost edge, Func<JsonNode, bool> condition) => ReadAsync(edge, (seen, data) => seen > 2 && condition(data));

    private static async Task<List<(string Type, JsonNode Data)>> ReadAsync(EdgeHost edge, Func<int, JsonNode, bool> enough)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        limit.CancelAfter(Eventually.Deadline);
        await using var stream = await edge.Admin.GetStreamAsync("/events", limit.Token);
        var events = new List<(string, JsonNode)>();
        await foreach (var item in SseParser.Create(stream).EnumerateAsync(limit.Token))
        {
            events.Add((item.EventType, JsonNode.Parse(item.Data)!));
            if (enough(events.Count, events[^1].Item2))
            {
                break;
            }
        }

        return events;
    }
}
