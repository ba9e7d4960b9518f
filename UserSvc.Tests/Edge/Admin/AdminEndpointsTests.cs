using System.Net;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;

namespace UserSvc.Tests.Edge.Admin;

public sealed partial class AdminEndpointsTests : IAsyncLifetime
{
    private Upstream _upstream = null!;
    private EdgeHost _edge = null!;

    private string Address => new Uri(_upstream.Address).Authority;

    public async ValueTask InitializeAsync()
    {
        _upstream = await Upstream.StartAsync(answer: context =>
        {
            context.Response.StatusCode = context.Request.Path == "/user/bad" ? 500 : 200;
            return Task.CompletedTask;
        });
        _edge = await EdgeHost.ReadyAsync([_upstream]);
    }

    public async ValueTask DisposeAsync()
    {
        await _edge.DisposeAsync();
        await _upstream.DisposeAsync();
    }

    [Theory]
    [InlineData("GET", "/")]
    [InlineData("GET", "/page/index.html")]
    [InlineData("GET", "/events")]
    [InlineData("GET", "/failures")]
    [InlineData("GET", "/help")]
    [InlineData("GET", "/server_info")]
    [InlineData("GET", "/clusters")]
    [InlineData("GET", "/stats")]
    [InlineData("GET", "/config_dump")]
    [InlineData("POST", "/healthcheck/fail")]
    [InlineData("POST", "/healthcheck/ok")]
    [InlineData("POST", "/drain_listeners")]
    public async Task AdminPath_OnThePublicAndTheHealthPort_IsNotThere(string method, string path)
    {
        var open = await _edge.Public.AskAsync(new HttpRequestMessage(new(method), path) { Headers = { Host = "localhost:8001" } });
        var health = await _edge.Health.AskAsync(new HttpRequestMessage(new(method), path));

        Assert.Equal((EdgeAnswers.NotFound, EdgeAnswers.NotFound), (open, health));
    }

    [Theory]
    [InlineData("/ready", "LIVE\n")]
    [InlineData("/alive", "Healthy\n")]
    [InlineData("/health", "Healthy\n")]
    [InlineData("/v1/registration/none", """{"hosts":[]}""")]
    public async Task ReadOnlyPath_OnTheAdminAndTheHealthPort_IsOnBothAndNotOnThePublicOne(string path, string body)
    {
        var answers = (await _edge.Admin.AskAsync(path), await _edge.Health.AskAsync(path), await _edge.Public.AskAsync(path));

        Assert.Equal((new Answer(200, body), new Answer(200, body), EdgeAnswers.NotFound), answers);
    }

    [Fact]
    public async Task Prometheus_OnThePublicPort_IsNotThere() => Assert.Equal(EdgeAnswers.NotFound, await _edge.Public.AskAsync("/stats/prometheus"));

    [Fact]
    public async Task ServerInfo_OfAReadyEdge_NamesVersionStateAndInstance()
    {
        var answer = await _edge.Admin.AskAsync("/server_info");

        Assert.Equal(
            new Answer(200, """{"version":"UserSvc.Edge/1.0.0","state":"LIVE","uptime_current_epoch":"Ns","uptime_all_epochs":"Ns","hot_restart_version":"disabled","node":{"id":"edge-1"}}"""),
            answer with { Body = Seconds().Replace(answer.Body, "\"Ns\"") });
    }

    [Fact]
    public async Task Clusters_AfterAnAnswerAndAnError_CountBothOfTheirHost()
    {
        await _edge.Public.AskAsync("/user/alice");
        await _edge.Public.AskAsync("/user/bad");
        await _edge.SettlesAsync("upstream_rq_completed", "cluster.usersvc.upstream_rq_completed: 2\n");

        var text = await _edge.Admin.AskAsync("/clusters");
        var json = await _edge.Admin.AskAsync("/clusters?format=json");

        Assert.Equal(
            new Answer(200, $"""
                usersvc::observability_name::usersvc
                usersvc::default_priority::max_requests::1024
                usersvc::added_via_api::false
                usersvc::{Address}::cx_connect_fail::0
                usersvc::{Address}::rq_active::0
                usersvc::{Address}::rq_error::1
                usersvc::{Address}::rq_success::1
                usersvc::{Address}::rq_timeout::0
                usersvc::{Address}::rq_total::2
                usersvc::{Address}::hostname::usersvc-1
                usersvc::{Address}::health_flags::healthy

                """),
            text);
        Assert.Equal(
            new Answer(200, $$$"""
                {"cluster_statuses":[{"name":"usersvc","host_statuses":[{"address":{"socket_address":{"address":"127.0.0.1","port_value":{{{Address.Split(':')[1]}}}}},
                "stats":[{"type":"COUNTER","value":"0","name":"cx_connect_fail"},{"type":"GAUGE","value":"0","name":"rq_active"},{"type":"COUNTER","value":"1","name":"rq_error"},
                {"type":"COUNTER","value":"1","name":"rq_success"},{"type":"COUNTER","value":"0","name":"rq_timeout"},{"type":"COUNTER","value":"2","name":"rq_total"}],
                "health_status":{"eds_health_status":"HEALTHY","failed_active_health_check":false,"failed_outlier_check":false,"pending_active_hc":false},
                "hostname":"usersvc-1","weight":1}],"circuit_breakers":{"thresholds":[{"priority":"DEFAULT","max_requests":1024}]},"added_via_api":false,"observability_name":"usersvc"}]}
                """.ReplaceLineEndings("")),
            json);
    }

    [Fact]
    public async Task Host_NotProbed_IsHealthyAndNotPending()
    {
        await using var edge = await EdgeHost.StartAsync([(_upstream.Name, _upstream.Address)], ($"{EdgeHost.Probing}:Enabled", "false"));

        var clusters = await edge.Admin.AskAsync("/clusters");

        Assert.EndsWith($"usersvc::{Address}::health_flags::healthy\n", clusters.Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Filter_OnTheHealthPort_IsRefused() => Assert.Equal(
        EdgeAnswers.Problem(400, "request_invalid", "Only the admin listener supports a filter."),
        await _edge.Health.AskAsync("/stats/prometheus?filter=membership"));

    [Fact]
    public async Task Host_FoundDeadByAProbe_IsFlagged()
    {
        await _upstream.StopAsync();

        await Eventually.HoldsAsync(async () => (await _edge.Admin.AskAsync("/clusters")).Body.Contains($"usersvc::{Address}::health_flags::/failed_active_hc\n", StringComparison.Ordinal));
        var healthy = await _edge.Admin.AskAsync("/stats?filter=membership");

        Assert.Equal(new Answer(200, "cluster.usersvc.membership_healthy: 0\ncluster.usersvc.membership_total: 1\n"), healthy);
    }

    [Fact]
    public async Task Stats_AsJson_AreTheSameFigures()
    {
        await _edge.Public.AskAsync("/user/alice");
        await _edge.SettlesAsync("upstream_rq_completed", "cluster.usersvc.upstream_rq_completed: 1\n");

        var json = await _edge.Admin.AskAsync("/stats?format=json&usedonly&filter=cluster.usersvc.upstream_rq_(total|2xx)");

        Assert.Equal(
            new Answer(200, """
                {"stats":[{"name":"cluster.usersvc.upstream_rq_2xx","value":1},{"name":"cluster.usersvc.upstream_rq_total","value":1},
                {"histograms":{"supported_quantiles":[0,25,50,75,90,95,99,99.5,99.9,100],"computed_quantiles":[]}}]}
                """.ReplaceLineEndings("")),
            json);
    }

    [Fact]
    public async Task Histogram_WithoutARecordedValue_SaysSo() =>
        Assert.Equal(new Answer(200, "cluster.usersvc.upstream_rq_time: No recorded values\n"), await _edge.Admin.AskAsync("/stats?filter=usersvc.upstream_rq_time$"));

    [Theory]
    [InlineData("/stats?format=xml", "Unknown format xml; use text, json or prometheus.")]
    [InlineData("/clusters?format=xml", "Unknown format xml; use text or json.")]
    [InlineData("/config_dump?format=text", "Unknown format text; use json.")]
    [InlineData("/stats?filter=(", "The filter is not a supported regular expression.")]
    [InlineData("/stats?filter=(a)%5C1", "The filter is not a supported regular expression.")]
    [InlineData("/stats/prometheus?filter=(", "The filter is not a supported regular expression.")]
    public async Task Query_NotSupported_Is400(string path, string reason) =>
        Assert.Equal(EdgeAnswers.Problem(400, "request_invalid", reason), await _edge.Admin.AskAsync(path));

    [Fact]
    public async Task Filter_TooLong_Is400() => Assert.Equal(
        EdgeAnswers.Problem(400, "request_invalid", "The filter is longer than 256 characters."),
        await _edge.Admin.AskAsync($"/stats?filter={new string('a', 257)}"));

    [Theory]
    [InlineData("/healthcheck/fail")]
    [InlineData("/healthcheck/ok")]
    [InlineData("/drain_listeners")]
    public async Task Switch_ByGet_Is405AndChangesNothing(string path)
    {
        using var answer = await _edge.Admin.GetAsync(path, TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.MethodNotAllowed, answer.StatusCode);
        Assert.Equal(["POST"], answer.Content.Headers.Allow);
        Assert.Equal(new Answer(200, "LIVE\n"), await _edge.Admin.AskAsync("/ready"));
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/page/index.html")]
    [InlineData("/alive")]
    [InlineData("/clusters")]
    [InlineData("/config_dump")]
    [InlineData("/events")]
    [InlineData("/failures")]
    [InlineData("/health")]
    [InlineData("/help")]
    [InlineData("/ready")]
    [InlineData("/server_info")]
    [InlineData("/stats")]
    [InlineData("/stats/prometheus")]
    [InlineData("/v1/registration/usersvc")]
    [InlineData("/nothing")]
    public async Task Head_OfWhatGetAnswers_HasTheSameStatusAndNoBody(string path)
    {
        using var get = await _edge.Admin.GetAsync(path, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        using var request = new HttpRequestMessage(HttpMethod.Head, path);
        using var head = await _edge.Admin.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(
            (get.StatusCode, get.Content.Headers.ContentType, ""),
            (head.StatusCode, head.Content.Headers.ContentType, await head.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)));
    }

    [Theory]
    [InlineData("POST", "/ready", 405, "GET, HEAD")]
    [InlineData("POST", "/health", 405, "GET, HEAD")]
    [InlineData("DELETE", "/stats", 405, "GET, HEAD")]
    [InlineData("HEAD", "/drain_listeners", 405, "POST")]
    [InlineData("OPTIONS", "/stats", 204, "GET, HEAD")]
    [InlineData("OPTIONS", "/drain_listeners", 204, "POST")]
    public async Task Method_OfAnotherKind_IsToldWhichAreAllowed(string method, string path, int status, string allow)
    {
        using var request = new HttpRequestMessage(new(method), path);
        using var answer = await _edge.Admin.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal((status, allow), ((int)answer.StatusCode, string.Join(", ", answer.Content.Headers.Allow)));
    }

    [Fact]
    public async Task HealthCheck_FailedAndRestored_IsUnreadyOnAllPortsWhileTrafficGoesOn()
    {
        var failed = await _edge.PostAsync("/healthcheck/fail");
        var unready = (await _edge.Health.AskAsync("/ready"), await _edge.Admin.AskAsync("/ready"));
        var reason = await _edge.Health.AskAsync("/health");
        var traffic = await _edge.Public.AskAsync("/user/alice");
        var state = await _edge.StatsAsync("^server.(live|state)$");
        var restored = await _edge.PostAsync("/healthcheck/ok");

        Assert.Equal((new Answer(200, "OK\n"), new Answer(200, "OK\n")), (failed, restored));
        Assert.Equal((new Answer(503, "DRAINING\n"), new Answer(503, "DRAINING\n")), unready);
        Assert.Equal(EdgeAnswers.Problem(503, "unavailable", "operator: failed by POST /healthcheck/fail"), reason);
        Assert.Equal(new Answer(200, ""), traffic);
        Assert.Equal("server.state: 1\n", state);
        Assert.Equal((new Answer(200, "LIVE\n"), new Answer(200, "Healthy\n")), (await _edge.Health.AskAsync("/ready"), await _edge.Health.AskAsync("/health")));
    }

    [Fact]
    public async Task Ready_BeforeTheFirstHealthyInstance_IsPreInitializing()
    {
        await using var down = await Upstream.StartAsync();
        down.Healthy = false;
        await using var edge = await EdgeHost.StartAsync([(down.Name, down.Address)]);

        Assert.Equal(new Answer(503, "PRE_INITIALIZING\n"), await edge.Health.AskAsync("/ready"));
    }

    [Fact]
    public async Task Page_Unchanged_IsNotSentAgain()
    {
        using var first = await _edge.Admin.GetAsync("/", TestContext.Current.CancellationToken);
        using var again = new HttpRequestMessage(HttpMethod.Get, "/") { Headers = { IfNoneMatch = { first.Headers.ETag! } } };
        using var second = await _edge.Admin.SendAsync(again, TestContext.Current.CancellationToken);

        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.NotModified), (first.StatusCode, second.StatusCode));
        Assert.Equal(MediaTypeHeaderValue.Parse("text/html; charset=utf-8"), first.Content.Headers.ContentType);
        Assert.True(first.Headers.CacheControl!.NoCache);
        Assert.Equal("default-src 'self'; frame-ancestors 'none'", first.Headers.GetValues("Content-Security-Policy").Single());
        Assert.Equal("DENY", first.Headers.GetValues("X-Frame-Options").Single());
    }

    [Theory]
    [InlineData("/page/")]
    [InlineData("/page")]
    [InlineData("/page/none.js")]
    [InlineData("/page/../appsettings.json")]
    [InlineData("/page/%2e%2e/appsettings.json")]
    public async Task PageFile_Unknown_Is404(string path)
    {
        using var response = await _edge.Admin.GetAsWrittenAsync(path);

        Assert.Equal(EdgeAnswers.NotFound, await Answer.ReadAsync(response));
    }

    [Fact]
    public async Task Help_NamesEveryPath()
    {
        var help = await _edge.Admin.AskAsync("/help");

        Assert.Equal(
            "/ /alive /clusters /config_dump /drain_listeners /events /failures /health /healthcheck/fail /healthcheck/ok /help /ready /server_info /stats /stats/prometheus /v1/registration/{service}",
            string.Join(' ', help.Body.Split('\n').Where(l => l.StartsWith("  /", StringComparison.Ordinal)).Select(l => l.Trim().Split(':', ' ')[0])));
    }

    [GeneratedRegex("\"\\d+s\"")]
    private static partial Regex Seconds();
}
