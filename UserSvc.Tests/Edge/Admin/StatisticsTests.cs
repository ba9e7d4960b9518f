using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using UserSvc.Edge.Statistics;
using UserSvc.Tests.Edge.Discovery;
using UserSvc.Tests.Edge.Resilience;

namespace UserSvc.Tests.Edge.Admin;

/// <summary>The counters after a known mix of requests.</summary>
public sealed class StatisticsTests
{
    private const string Counters = @"^cluster\.usersvc\.(upstream_(rq|cx)_[a-z0-9_]*|outlier_detection\.ejections_[a-z_]*)$";

    private static readonly (string, string) NotProbed = ($"{EdgeHost.Probing}:Enabled", "false");

    [Fact]
    public async Task Answers_OfEachKind_AreCountedByClass()
    {
        await using var upstream = await Upstream.StartAsync(answer: context =>
        {
            context.Response.StatusCode = int.Parse(context.Request.Path.Value!["/user/".Length..], System.Globalization.CultureInfo.InvariantCulture);
            return Task.CompletedTask;
        });
        await using var edge = await EdgeHost.ReadyAsync([upstream], NotProbed);
        foreach (var status in new[] { 200, 201, 204, 304, 404, 500, 501 })
        {
            await edge.Public.AskAsync($"/user/{status}");
        }

        await edge.Public.AskAsync("/nowhere");

        await edge.SettlesAsync(Counters + "|^http.http.downstream_rq_[a-z0-9]*$|endpoint.*rq_(total|error|success)", $"""
            cluster.usersvc.endpoint.{Stat(upstream)}.rq_error: 2
            cluster.usersvc.endpoint.{Stat(upstream)}.rq_success: 5
            cluster.usersvc.endpoint.{Stat(upstream)}.rq_total: 7
            cluster.usersvc.upstream_rq_2xx: 3
            cluster.usersvc.upstream_rq_3xx: 1
            cluster.usersvc.upstream_rq_4xx: 1
            cluster.usersvc.upstream_rq_5xx: 2
            cluster.usersvc.upstream_rq_completed: 7
            cluster.usersvc.upstream_rq_error: 2
            cluster.usersvc.upstream_rq_total: 7
            http.http.downstream_rq_2xx: 3
            http.http.downstream_rq_3xx: 1
            http.http.downstream_rq_4xx: 2
            http.http.downstream_rq_5xx: 2
            http.http.downstream_rq_completed: 8
            http.http.downstream_rq_total: 8

            """, withoutHistograms: true);
    }

    [Fact]
    public async Task Overload_OfAHealthyInstance_IsAnAnswerAndNotAnError()
    {
        await using var upstream = await Upstream.StartAsync(answer: context =>
        {
            context.Response.StatusCode = 503;
            context.Response.Headers["x-envoy-overloaded"] = "true";
            return Task.CompletedTask;
        });
        await using var edge = await EdgeHost.ReadyAsync([upstream], NotProbed);

        await edge.Public.AskAsync("/user/alice");

        await edge.SettlesAsync(Counters, """
            cluster.usersvc.upstream_rq_5xx: 1
            cluster.usersvc.upstream_rq_completed: 1
            cluster.usersvc.upstream_rq_total: 1

            """, withoutHistograms: true);
    }

    [Fact]
    public async Task Retry_OfA503_IsCountedEverywhereAlike()
    {
        await using var pair = await FaultyPair.StartAsync(context =>
        {
            context.Response.StatusCode = 503;
            return Task.CompletedTask;
        });
        await using var edge = await pair.EdgeAsync();

        await edge.Public.AskAsync("/user/alice");

        // Two earlier requests warm the connections.
        await edge.SettlesAsync(Counters, """
            cluster.usersvc.upstream_rq_2xx: 3
            cluster.usersvc.upstream_rq_5xx: 1
            cluster.usersvc.upstream_rq_completed: 4
            cluster.usersvc.upstream_rq_error: 1
            cluster.usersvc.upstream_rq_retry: 1
            cluster.usersvc.upstream_rq_retry_success: 1
            cluster.usersvc.upstream_rq_total: 4

            """, withoutHistograms: true);
        Assert.Equal("cluster.usersvc.upstream_rq_retry.gateway_error: 1\n", await edge.StatsAsync(@"upstream_rq_retry\."));
        Assert.Equal(
            "edge.access_log.dropped 0, edge.access_log.left_out 0, edge.access_log.written 0, "
            + "edge.circuit_breaker.overflows usersvc client 0, edge.circuit_breaker.overflows usersvc cluster 0, edge.circuit_breaker.overflows usersvc destination 0, edge.ejections usersvc 0, "
            + "edge.retries usersvc connect_failure 0, edge.retries usersvc gateway_error 1, edge.retries usersvc reset 0, edge.retries usersvc try_timeout 0, "
            + "edge.retry.overflows usersvc 0, edge.retry.successes usersvc 1",
            Observed(edge));
    }

    [Fact]
    public async Task Retry_OverItsBudget_IsCountedAsOverflow()
    {
        await using var pair = await FaultyPair.StartAsync(context =>
        {
            context.Response.StatusCode = 503;
            return Task.CompletedTask;
        });
        await using var edge = await pair.EdgeAsync(($"{EdgeHost.Metadata}:Retry.BudgetPercent", "0"), ($"{EdgeHost.Metadata}:Retry.BudgetPerSecond", "0"));

        await edge.Public.AskAsync("/user/alice");

        await edge.SettlesAsync("rq_retry", "cluster.usersvc.upstream_rq_retry_overflow: 1\n");
    }

    [Fact]
    public async Task Attempt_ThatTimesOut_IsCountedAndTimed()
    {
        await using var pair = await FaultyPair.StartAsync(context => Task.Delay(Timeout.Infinite, context.RequestAborted));
        var time = new FakeTimeProvider();
        await using var edge = await pair.EdgeAsync(time, (EdgeHost.AttemptTimeout, "00:00:00.400"));

        var answering = edge.Public.AskAsync("/user/alice");
        await pair.Faulted;
        time.Advance(TimeSpan.FromMilliseconds(400));
        await answering;

        await edge.SettlesAsync(Counters, """
            cluster.usersvc.upstream_rq_2xx: 3
            cluster.usersvc.upstream_rq_completed: 3
            cluster.usersvc.upstream_rq_error: 1
            cluster.usersvc.upstream_rq_retry: 1
            cluster.usersvc.upstream_rq_retry_success: 1
            cluster.usersvc.upstream_rq_timeout: 1
            cluster.usersvc.upstream_rq_total: 4

            """, withoutHistograms: true);
        var longest = (await edge.JsonAsync("/stats?format=json&filter=usersvc.upstream_rq_time$"))["stats"]![0]!["histograms"]!["computed_quantiles"]![0]!["values"]![9]!["cumulative"]!;
        Assert.Equal(400, longest.GetValue<double>());
    }

    [Fact]
    public async Task Attempt_WhoseConnectionIsReset_IsCounted()
    {
        await using var pair = await FaultyPair.StartAsync(context =>
        {
            context.Abort();
            return Task.CompletedTask;
        });
        await using var edge = await pair.EdgeAsync();

        await edge.Public.AskAsync("/user/alice");

        await edge.SettlesAsync("usersvc.upstream_rq_(rx_reset|error|retry)$", """
            cluster.usersvc.upstream_rq_error: 1
            cluster.usersvc.upstream_rq_retry: 1
            cluster.usersvc.upstream_rq_rx_reset: 1

            """);
    }

    [Fact]
    public async Task Instance_ThatRefusesConnections_HasConnectFailuresAndIsEjected()
    {
        await using var one = await Upstream.StartAsync("usersvc-1");
        await using var two = await Upstream.StartAsync("usersvc-2");
        await using var edge = await EdgeHost.ReadyAsync([one, two], NotProbed, ($"{EdgeHost.Metadata}:Ejection.ConsecutiveFailures", "2"));
        var (dead, address) = (Stat(two), two.Address);
        await two.StopAsync();

        for (var i = 0; i < 10; i++)
        {
            await edge.Public.AskAsync("/user/alice");
        }

        await edge.SettlesAsync($"cx_connect_fail|ejections|retry|^cluster.usersvc.upstream_rq_total|{dead}.(healthy|rq_total)", $"""
            cluster.usersvc.endpoint.{dead}.cx_connect_fail: 2
            cluster.usersvc.endpoint.{dead}.ejections: 1
            cluster.usersvc.endpoint.{dead}.rq_total: 2
            cluster.usersvc.outlier_detection.ejections_active: 1
            cluster.usersvc.outlier_detection.ejections_enforced_total: 1
            cluster.usersvc.upstream_cx_connect_fail: 2
            cluster.usersvc.upstream_rq_retry: 2
            cluster.usersvc.upstream_rq_retry.connect_failure: 2
            cluster.usersvc.upstream_rq_retry_success: 2
            cluster.usersvc.upstream_rq_total: 12

            """);
        Assert.Contains($"usersvc::{new Uri(address).Authority}::health_flags::/failed_outlier_check", (await edge.Admin.AskAsync("/clusters")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Requests_OverTheClustersLimit_AreCountedAsRefusedAndInFlightIsSeen()
    {
        var (arrived, release) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var upstream = await Upstream.StartAsync(answer: async _ =>
        {
            arrived.SetResult();
            await release.Task;
        });
        await using var edge = await EdgeHost.ReadyAsync([upstream], NotProbed, ($"{EdgeHost.Metadata}:CircuitBreaker.MaxRequests", "1"));
        var held = edge.Public.AskAsync("/user/held");
        await arrived.Task;

        await edge.Public.AskAsync("/user/alice");

        await edge.SettlesAsync("overflow|rq_active|rq_open|remaining", $"""
            cluster.usersvc.circuit_breakers.default.rq_open: 1
            cluster.usersvc.endpoint.{Stat(upstream)}.rq_active: 1
            cluster.usersvc.upstream_rq_active: 1
            cluster.usersvc.upstream_rq_pending_overflow: 1
            cluster.usersvc.upstream_rq_pending_overflow.cluster: 1
            http.admin.downstream_rq_active: 1
            http.http.downstream_rq_active: 1

            """);
        release.SetResult();
        Assert.Equal(200, (await held).Status);
        await edge.SettlesAsync("rq_active|rq_open|remaining", "cluster.usersvc.circuit_breakers.default.remaining_rq: 1\nhttp.admin.downstream_rq_active: 1\n");
    }

    [Fact]
    public async Task Client_ThatLeaves_IsNotAnErrorOfTheInstance()
    {
        var arrived = new TaskCompletionSource();
        await using var upstream = await Upstream.StartAsync(answer: async context =>
        {
            arrived.SetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        });
        await using var edge = await EdgeHost.ReadyAsync([upstream], NotProbed);
        using (var client = await RawConnection.OpenAsync(edge.Public.BaseAddress!))
        {
            await client.SendAsync("GET /user/alice HTTP/1.1\r\nHost: x\r\n\r\n");
            await arrived.Task;
        }

        await edge.SettlesAsync(Counters + "|^http.http.downstream_(rq|cx)_[a-z0-9]*$", """
            cluster.usersvc.upstream_rq_total: 1
            http.http.downstream_cx_total: 1
            http.http.downstream_rq_total: 1

            """);
    }

    [Fact]
    public async Task Source_ThatFails_Shows()
    {
        await using var upstream = await Upstream.StartAsync();
        await using var sds = await SdsServer.StartAsync($$$"""{"hosts":[{"ip_address":"127.0.0.1","port":{{{new Uri(upstream.Address).Port}}}}]}""");
        var source = $"sds+http://{sds.Authority}/usersvc";
        await using var edge = await EdgeHost.StartAsync([("sds", source)], ("Edge:Discovery:Sds:Interval", "00:00:00.100"));
        await edge.SettlesAsync("^discovery.*(endpoints|failing)", $"discovery.{source}.endpoints: 1\n");

        sds.AnswerWith("", status: 500);

        await edge.SettlesAsync("^discovery.*(endpoints|failing)", $"discovery.{source}.endpoints: 1\ndiscovery.{source}.failing: 1\n");
    }

    [Fact]
    public void Samples_OverFifteenMinutes_AreTheLastNineHundred()
    {
        var cluster = new ClusterStatistics();
        for (var second = 0; second < 950; second++)
        {
            cluster.RetriesAfter(AttemptOutcome.Reset).Increment();
            cluster.Attempts.Begin();
            cluster.Attempts.End(AttemptOutcome.Failed, 500, 0);
            cluster.Attempts.Interval.Advance(cluster.Attempts, TimeSpan.FromSeconds(2));
            cluster.Samples.Add(cluster, DateTime.UnixEpoch.AddSeconds(second), TimeSpan.FromSeconds(2));
        }

        var samples = cluster.Samples.All;

        Assert.Equal(900, samples.Count);
        Assert.Equal(DateTime.UnixEpoch.AddSeconds(50), samples[0].Time);
        Assert.Equal(new Sample(DateTime.UnixEpoch.AddSeconds(949), 0.5, 0.5, 0.00055, 0.001089, 0.5, 0), samples[^1]);
    }

    private static string Stat(Upstream upstream) => new Uri(upstream.Address).Authority.Replace(':', '_');

    private static string Observed(EdgeHost edge)
    {
        var seen = new List<string>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument is ObservableCounter<long> && instrument.Meter.Name == "UserSvc.Edge" && instrument.Meter.Scope == edge.Services.GetRequiredService<IMeterFactory>())
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => seen.Add(string.Join(' ', [instrument.Name, .. tags.ToArray().Select(t => t.Value), value])));
        listener.Start();
        listener.RecordObservableInstruments();
        return string.Join(", ", seen.Order(StringComparer.Ordinal));
    }
}
