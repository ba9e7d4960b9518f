using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using UserSvc.AppHost.Processes;
using UserSvc.Edge.AccessLog;

namespace UserSvc.Tests.Edge;

public sealed partial class AccessLogTests : IDisposable
{
    private const string Section = "Edge:AccessLog";
    private const string TraceId = "0af7651916cd43dd8448eb211c80319c";
    private const string Headers = $"Host: x\r\nUser-Agent: test\r\nX-Request-Id: r-1\r\ntraceparent: 00-{TraceId}-b7ad6b7169203331-00\r\n";
    private const string Get = $"GET /user/alice HTTP/1.1\r\n{Headers}Connection: close\r\n\r\n";
    private const string Refused = "http://127.0.0.1:1";

    private static readonly (string, string) NotProbed = ($"{EdgeHost.Probing}:Enabled", "false");

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("edge-log-");

    private string LogPath => Path.Combine(_folder.FullName, "access.log");

    [Theory]
    [InlineData("refused", "502", "UF", "ConnectFailure NoOtherDestination", "N", "Connection refused")]
    [InlineData("silence", "504", "UT", "TimedOut NoOtherDestination", "N", null)]
    [InlineData("reset", "502", "UC", "Reset NoOtherDestination", "N", "Connection reset by peer")]
    [InlineData("stream reset", "502", "UR", "Reset NoOtherDestination", "N", "The HTTP/2 server reset the stream. HTTP/2 error code 'INTERNAL_ERROR' (0x2). (HttpProtocolError)")]
    [InlineData("not HTTP", "502", "UPE", "Reset NoOtherDestination", "N", "Received an invalid status line: 'nonsense'.")]
    [InlineData("two lengths", "502", "UPE", "BrokenAnswer Final", "N", "The answer's length is ambiguous.")]
    [InlineData("503", "503", "-", "GatewayError NoOtherDestination", "0", null)]
    [InlineData("500", "500", "-", "Failed Final", "0", null)]
    public async Task FailedAttempt_IsALineWithItsFlag(string fault, string status, string flags, string attempt, string? sent, string? reason)
    {
        await using var upstream = await Upstream.StartAsync(
            protocols: fault == "stream reset" ? HttpProtocols.Http2 : HttpProtocols.Http1, answer: context => FailAsync(context, fault));
        await using var scripted = new ScriptedUpstream(
            fault == "not HTTP" ? "nonsense\r\n\r\n" : "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
        var address = fault switch
        {
            "refused" => Refused,
            "not HTTP" or "two lengths" => scripted.Address,
            _ => upstream.Address,
        };
        await using var edge = await StartAsync(
            [("usersvc-1", address)],
            ($"{EdgeHost.HttpRequest}:Version", fault == "stream reset" ? "2" : "1.1"),
            ($"{EdgeHost.HttpRequest}:ActivityTimeout", fault == "silence" ? "00:00:00.300" : "00:01:00"));

        await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, Get);

        var answered = fault is "503" or "500" ? "\"upstream_service_time\":MS," : "";
        var end = attempt.Split(' ');
        Assert.Equal(
            Line(status, flags, $$"""
                "cluster":"usersvc","upstream_host":"ADDRESS",{{answered}}"attempts":[{"destination":"A","outcome":"{{end[0]}}","decision":"{{end[1]}}"}]
                """, sent, reason: reason),
            await LineAsync());
    }

    [Fact]
    public async Task Answer_ThatIsCut_IsALineWithItsStatusAndUC()
    {
        var release = new TaskCompletionSource();
        await using var upstream = await Upstream.StartAsync(answer: async context =>
        {
            context.Response.ContentLength = 100;
            await context.Response.WriteAsync("half");
            await release.Task;
            context.Abort();
        });
        await using var edge = await StartAsync([(upstream.Name, upstream.Address)]);
        using var connection = await RawConnection.OpenAsync(edge.Public.BaseAddress!);
        await connection.SendAsync(Get);
        await connection.ReadUntilAsync(read => read.Contains("half", StringComparison.Ordinal));

        release.SetResult();

        Assert.Equal(
            Line("200", "UC", """
                "cluster":"usersvc","upstream_host":"ADDRESS","upstream_service_time":MS,"attempts":[{"destination":"A","outcome":"BrokenAnswer","decision":"Final"}]
                """, sent: null, reason: "Connection reset by peer"),
            await LineAsync());
    }

    [Fact]
    public async Task Answer_ThatStalls_IsALineWithItsStatusAndUT()
    {
        await using var upstream = await Upstream.StartAsync(answer: async context =>
        {
            context.Response.ContentLength = 100;
            await context.Response.WriteAsync("half");
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        });
        await using var edge = await StartAsync([(upstream.Name, upstream.Address)], ($"{EdgeHost.HttpRequest}:ActivityTimeout", "00:00:00.300"));

        await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, Get);

        Assert.Equal(
            Line("200", "UT", """
                "cluster":"usersvc","upstream_host":"ADDRESS","upstream_service_time":MS,"attempts":[{"destination":"A","outcome":"BrokenAnswer","decision":"Final"}]
                """, sent: null),
            await LineAsync());
    }

    [Theory]
    [InlineData("503", "503", "URX", "GatewayError Retry, GatewayError NoAttemptsLeft")]
    [InlineData("budget", "503", "UO", "GatewayError BudgetSpent")]
    [InlineData("once", "200", "-", "GatewayError Retry, Answered Final")]
    public async Task RetriedRequest_IsALineWithEachAttemptAndWhyAnotherFollowedOrNot(string fault, string status, string flags, string attempts)
    {
        var asked = 0;
        await using var first = await Upstream.StartAsync("usersvc-1", AnswerAsync);
        await using var second = await Upstream.StartAsync("usersvc-2", AnswerAsync);
        var budget = fault == "budget" ? "0" : "100";
        await using var edge = await StartAsync(
            [(first.Name, first.Address), (second.Name, second.Address)],
            ($"{EdgeHost.Metadata}:Retry.Attempts", "2"), ($"{EdgeHost.Metadata}:Retry.BudgetPercent", budget), ($"{EdgeHost.Metadata}:Retry.BudgetPerSecond", budget));

        await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, Get);

        var ends = attempts.Split(", ").Select((end, i) => (Destination: i == 0 ? "A" : "B", End: end.Split(' ')))
            .Select(a => $$"""{"destination":"{{a.Destination}}","outcome":"{{a.End[0]}}","decision":"{{a.End[1]}}"}""");
        Assert.Equal(
            Line(status, flags, $"""
                "cluster":"usersvc","upstream_host":"ADDRESS","upstream_service_time":MS,"attempts":[{string.Join(',', ends)}]
                """, "0"),
            await LineAsync());

        Task AnswerAsync(HttpContext context)
        {
            context.Response.StatusCode = fault == "once" && Interlocked.Increment(ref asked) == 2 ? 200 : 503;
            return Task.CompletedTask;
        }
    }

    [Fact]
    public async Task Request_RefusedByEveryInstanceUntilNoAttemptIsLeft_HasTheFlagsOfBoth()
    {
        await using var edge = await StartAsync([("usersvc-1", Refused), ("usersvc-2", "http://127.0.0.1:2")], ($"{EdgeHost.Metadata}:Retry.Attempts", "2"));

        await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, Get);

        Assert.Equal(
            Line("502", "UF,URX", """
                "cluster":"usersvc","upstream_host":"ADDRESS","attempts":[{"destination":"A","outcome":"ConnectFailure","decision":"Retry"},{"destination":"B","outcome":"ConnectFailure","decision":"NoAttemptsLeft"}]
                """, reason: "Connection refused"),
            await LineAsync());
    }

    [Theory]
    [InlineData("CircuitBreaker.MaxRequests", "1", "503", "UO")]
    [InlineData("CircuitBreaker.MaxRequestsPerDestination", "1", "503", "UO")]
    // A client that holds one of two slots has its share.
    [InlineData("CircuitBreaker.MaxRequests", "2", "429", "RL")]
    public async Task Request_OverALimit_IsALineWithItsFlag(string limit, string most, string status, string flag)
    {
        var arrived = new TaskCompletionSource();
        var release = new TaskCompletionSource();
        await using var upstream = await Upstream.StartAsync(answer: _ =>
        {
            arrived.TrySetResult();
            return release.Task;
        });
        await using var edge = await StartAsync([(upstream.Name, upstream.Address)], ($"{EdgeHost.Metadata}:{limit}", most));
        var held = edge.Public.AskAsync("/user/held");
        await arrived.Task;

        await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, Get);
        release.SetResult();
        await held;

        Assert.Equal(Line(status, flag, "\"cluster\":\"usersvc\""), await LineAsync());
    }

    [Fact]
    public async Task Request_OverARateLimit_IsALineWithRL()
    {
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await StartAsync(
            [(upstream.Name, upstream.Address)],
            ("ReverseProxy:Routes:user:RateLimiterPolicy", "login"), ("Edge:RateLimits:login:Permits", "1"), ("Edge:RateLimits:login:Window", "01:00:00"));
        await edge.Public.AskAsync("/user/alice");

        await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, Get);

        Assert.Equal(Line("429", "RL", "\"cluster\":\"usersvc\""), await LineAsync());
    }

    [Fact]
    public async Task Request_WithNoHealthyInstance_IsALineWithUH()
    {
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await EdgeHost.ReadyAsync([upstream], [.. Settings, ($"{EdgeHost.Probing}:Interval", "00:00:00.100")]);
        upstream.Healthy = false;
        await Eventually.HoldsAsync(async () => await edge.Public.AskAsync("/user/alice") == EdgeAnswers.NoInstance);

        await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, Get);

        Assert.Equal(Line("503", "UH", "\"cluster\":\"usersvc\""), await LineAsync());
    }

    [Fact]
    public async Task Probe_OfAProxyTakenOutOfService_IsALineWithLH()
    {
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await StartAsync([(upstream.Name, upstream.Address)], ("ReverseProxy:Routes:user:Match:Path", "/{**rest}"));
        using var failed = await edge.Admin.PostAsync("/healthcheck/fail", null, TestContext.Current.CancellationToken);

        await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, Get.Replace("/user/alice", "/health", StringComparison.Ordinal));

        Assert.Equal(Line("503", "LH", "\"cluster\":\"usersvc\"", path: "/health"), await LineAsync());
    }

    [Theory]
    [InlineData("GET /nothing HTTP/1.1\r\n", "404", "NR", "/nothing")]
    [InlineData("GET /user/ali\\ce HTTP/1.1\r\n", "400", "DPE", "/user/ali\\\\ce")]
    [InlineData("GET /user/alice HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", "400", "DPE", "/user/alice")]
    public async Task Request_RefusedBeforeItsRoute_IsALineWithoutACluster(string request, string status, string flags, string path)
    {
        await using var edge = await StartAsync([("usersvc-1", Refused)]);

        await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, $"{request}{Headers}Connection: close\r\n\r\n");

        Assert.Equal(Line(status, flags, null, path: path), await LineAsync());
    }

    [Theory]
    [InlineData("Content-Length: 70000\r\n\r\n", "413", null)]
    [InlineData("Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400", "Bad chunk size data.")]
    public async Task Request_WithABodyThatIsRefused_IsALineWithDPE(string body, string status, string? reason)
    {
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await StartAsync([(upstream.Name, upstream.Address)]);

        await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, $"PUT /user/alice HTTP/1.1\r\n{Headers}{body}");

        Assert.Equal(Line(status, "DPE", "\"cluster\":\"usersvc\"", method: "PUT", reason: reason), await LineAsync());
    }

    [Fact]
    public async Task Client_ThatLeavesBeforeItsAnswer_IsALineWithDC()
    {
        var arrived = new TaskCompletionSource();
        await using var upstream = await Upstream.StartAsync(answer: context =>
        {
            arrived.TrySetResult();
            return Task.Delay(Timeout.Infinite, context.RequestAborted);
        });
        await using var edge = await StartAsync([(upstream.Name, upstream.Address)]);
        var connection = await RawConnection.OpenAsync(edge.Public.BaseAddress!);
        await connection.SendAsync(Get);
        await arrived.Task;

        connection.Dispose();

        Assert.Equal(
            Line("0", "DC", """
                "cluster":"usersvc","upstream_host":"ADDRESS","attempts":[{"destination":"A","outcome":"Nothing","decision":"Final"}]
                """, "0"),
            await LineAsync());
    }

    [Fact]
    public async Task Client_ThatLeavesBetweenTwoAttempts_IsALineWithThoseThatWereMade()
    {
        await using var upstream = await Upstream.StartAsync(answer: context => FailAsync(context, "503"));
        await using var edge = await EdgeHost.StartAsync(
            new FakeTimeProvider(), [("usersvc-1", upstream.Address), ("usersvc-2", upstream.Address), ("usersvc-3", upstream.Address)], [.. Settings, NotProbed]);
        var connection = await RawConnection.OpenAsync(edge.Public.BaseAddress!);
        await connection.SendAsync(Get);
        // From the third attempt on, each waits a little first, here for ever.
        await Eventually.HoldsAsync(async () => (await edge.Admin.AskAsync("/stats?filter=upstream_rq_retry$")).Body == "cluster.usersvc.upstream_rq_retry: 2\n");

        connection.Dispose();

        Assert.Equal(
            Line("0", "DC", """
                "cluster":"usersvc","attempts":[{"destination":"A","outcome":"GatewayError","decision":"Retry"},{"destination":"B","outcome":"GatewayError","decision":"Retry"}]
                """, "0"),
            await LineAsync());
    }

    [Theory]
    [InlineData("None", null, "", "")]
    [InlineData("Failures", null, "r-failed", "r-failed")]
    [InlineData("All", null, "r-good r-failed", "r-failed")]
    [InlineData("None", "All", "r-good r-failed", "r-failed")]
    [InlineData("All", "None", "", "")]
    [InlineData("All", "Failures", "r-failed", "r-failed")]
    public async Task Requests_OfTheEdgeOrOfTheRoute_DecidesWhichGetALine(string edgeWide, string? route, string expected, string failures)
    {
        await using var upstream = await Upstream.StartAsync(answer: context => FailAsync(context, context.Request.Path == "/user/failed" ? "500" : "none"));
        (string, string)[] settings = [.. Settings, NotProbed, ($"{Section}:Requests", edgeWide)];
        if (route is not null)
        {
            settings = [.. settings, ("ReverseProxy:Routes:user:Metadata:AccessLog.Requests", route)];
        }

        await using (var edge = await EdgeHost.StartAsync([(upstream.Name, upstream.Address)], settings))
        {
            foreach (var name in (string[])["good", "failed"])
            {
                await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, $"GET /user/{name} HTTP/1.1\r\nHost: x\r\nX-Request-Id: r-{name}\r\nConnection: close\r\n\r\n");
            }

            await edge.StopAsync();
            Assert.Equal(failures, string.Join(' ', edge.Services.GetRequiredService<RecentFailures>().Lines.Select(line => line.RequestId)));
        }

        Assert.Equal(expected, string.Join(' ', RequestIds().Matches(await ReadAsync()).Select(id => id.Groups[1].Value)));
    }

    [Theory]
    [InlineData("Full", "false", "\"path\":\"/user/alice\"")]
    [InlineData("Full", "true", "\"path\":\"/user/alice?secret=1\"")]
    [InlineData("Route", "true", "\"path\":\"/user/{**rest}\"")]
    public async Task Line_HoldsQueryAndHeadersOnlyIfConfigured(string paths, string query, string expected)
    {
        await using var upstream = await Upstream.StartAsync(answer: context => FailAsync(context, "500"));
        await using var edge = await StartAsync([(upstream.Name, upstream.Address)], ($"{Section}:Paths", paths), ($"{Section}:Query", query), ($"{Section}:Headers:0", "X-Tenant"));

        await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, $"GET /user/alice?secret=1 HTTP/1.1\r\n{Headers}X-Tenant: a\r\nX-Other: b\r\nConnection: close\r\n\r\n");

        var line = Line("500", "-", """
            "cluster":"usersvc","upstream_host":"ADDRESS","upstream_service_time":MS,"attempts":[{"destination":"A","outcome":"Failed","decision":"Final"}]
            """, "0").Replace("\"path\":\"/user/alice\"", expected, StringComparison.Ordinal);
        Assert.Equal(line[..^1] + ",\"headers\":{\"x-tenant\":\"a\"}}", await LineAsync());
    }

    [Fact]
    public async Task Failures_OverTheLimitOfASecond_AreCountedInOneLine()
    {
        var time = new FakeTimeProvider();
        await using var edge = await EdgeHost.StartAsync(time, [("usersvc-1", Refused)], [($"{Section}:Requests", "Failures"), ($"{Section}:File", LogPath), NotProbed]);

        for (var i = 0; i < 7; i++)
        {
            await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, $"GET /nothing HTTP/1.1\r\n{Headers}Connection: close\r\n\r\n");
        }

        await Eventually.HoldsAsync(() => Task.FromResult(edge.Services.GetRequiredService<AccessLogWriter>().LeftOut.Value == 2));
        time.Advance(TimeSpan.FromSeconds(1));
        await Eventually.HoldsAsync(async () => (await ReadAsync()).Count(c => c == '\n') == 6);
        await Eventually.HoldsAsync(() => Task.FromResult(edge.Services.GetRequiredService<AccessLogWriter>().Written.Value == 5));

        Assert.Equal(
            [.. Enumerable.Repeat(Line("404", "NR", null, path: "/nothing"), 5), "{\"start_time\":\"TIME\",\"left_out\":2,\"dropped\":0}"],
            (await ReadAsync()).TrimEnd('\n').Split('\n').Select(Normalize));
        Assert.Equal("accesslog.dropped: 0\naccesslog.left_out: 2\naccesslog.written: 5\n", (await edge.Admin.AskAsync("/stats?filter=^accesslog")).Body);
        Assert.Equal(5, edge.Services.GetRequiredService<RecentFailures>().Total);
    }

    [Theory]
    [InlineData("", 1, 0)]
    [InlineData("?route=user", 0)]
    [InlineData("?route=", 1)]
    [InlineData("?flag=UF", 0)]
    [InlineData("?flag=URX", 0)]
    [InlineData("?flag=NR&route=user")]
    public async Task Failures_OnTheAdminListener_AreTheLinesOfTheLog(string query, params int[] expected)
    {
        await using var edge = await StartAsync(
            [("usersvc-1", Refused), ("usersvc-2", "http://127.0.0.1:2")], ($"{EdgeHost.Metadata}:Retry.Attempts", "2"), ("Edge:TraceUrl", "https://tempo.internal/?id={trace_id}"));
        foreach (var request in (string[])["GET /user/alice", "GET /nothing"])
        {
            await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, $"{request} HTTP/1.1\r\n{Headers}Connection: close\r\n\r\n");
        }

        await Eventually.HoldsAsync(async () => (await ReadAsync()).Count(c => c == '\n') == 2);
        var lines = (await ReadAsync()).Split('\n');

        Assert.Equal(
            new Answer(200, $$$"""{"requests":"Failures","trace_url":"https://tempo.internal/?id={trace_id}","failures":[{{{string.Join(',', expected.Select(i => lines[i]))}}}]}"""),
            await edge.Admin.AskAsync($"/failures{query}"));
    }

    [Fact]
    public void Failures_OverFifty_AreTheLastFifty()
    {
        var failures = new RecentFailures();
        for (var i = 0; i < 60; i++)
        {
            failures.Add(Example with { RequestId = $"{i}" });
        }

        Assert.Equal(Enumerable.Range(10, 50).Reverse().Select(i => $"{i}"), failures.Lines.Select(line => line.RequestId));
    }

    [Fact]
    public async Task Lines_ThatFindTheQueueFull_AreDroppedAndCountedInOneLine()
    {
        await using var edge = await StartAsync([("usersvc-1", Refused)]);
        using var writer = ActivatorUtilities.CreateInstance<AccessLogWriter>(edge.Services);
        for (var i = 0; i < 5_000; i++)
        {
            writer.Write(Example);
        }

        await writer.StartAsync(TestContext.Current.CancellationToken);
        await writer.StopAsync(TestContext.Current.CancellationToken);

        var lines = (await ReadAsync()).TrimEnd('\n').Split('\n');
        Assert.Equal((4_097, "{\"start_time\":\"TIME\",\"left_out\":0,\"dropped\":904}"), (lines.Length, Normalize(lines.Single(l => l.Contains("dropped", StringComparison.Ordinal)))));
        Assert.Equal((4_096L, 904L), (writer.Written.Value, writer.Dropped.Value));
    }

    [Fact]
    public void File_AtItsSize_IsRenamedAndTheOldestGoes()
    {
        using (var output = new AccessLogOutput(LogPath, maxSize: 12, maxFiles: 3))
        {
            foreach (var line in (string[])["one", "two", "three", "four", "five", "six", "seven", "eight"])
            {
                output.Append(System.Text.Encoding.UTF8.GetBytes(line));
            }

            output.Flush();
        }

        Assert.Equal(
            ["access.log.1: five six ", "access.log.2: three four ", "access.log: seven eight "],
            _folder.GetFiles().Select(file => $"{file.Name}: {File.ReadAllText(file.FullName).Replace('\n', ' ')}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task File_RenamedByAnotherProgram_IsOpenedAgainAtSighup()
    {
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await EdgeProcess.ReadyAsync(upstream, ($"{Section}:File", LogPath));
        await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, $"GET /before HTTP/1.1\r\n{Headers}Connection: close\r\n\r\n");
        var before = await LineAsync();
        File.Move(LogPath, LogPath + ".old");

        edge.Signal(Signals.HangUp);
        await Eventually.HoldsAsync(() => Task.FromResult(File.Exists(LogPath)));
        await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, $"GET /after HTTP/1.1\r\n{Headers}Connection: close\r\n\r\n");
        var after = await LineAsync();

        Assert.Equal((Line("404", "NR", null, path: "/before"), Line("404", "NR", null, path: "/after")), (before, after));
        Assert.Single(await File.ReadAllLinesAsync(LogPath + ".old", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Failures_AsShipped_AreLinesOnStandardOutput()
    {
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await EdgeProcess.ReadyAsync(upstream);

        await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, Get);
        await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, $"GET /nothing HTTP/1.1\r\n{Headers}Connection: close\r\n\r\n");
        await Eventually.HoldsAsync(() => Task.FromResult(edge.Output.Any(line => line.StartsWith('{'))));

        Assert.Equal(Line("404", "NR", null, path: "/nothing"), Normalize(edge.Output.Single(line => line.StartsWith('{'))));
    }

    [Fact]
    public async Task Start_WithAFileThatCannotBeWritten_FailsAndNamesTheSetting()
    {
        var path = Path.Combine(_folder.FullName, "missing", "access.log");

        var failure = await Record.ExceptionAsync(() => EdgeHost.StartAsync([("usersvc-1", Refused)], ($"{Section}:File", path)));

        Assert.Equal($"Edge:AccessLog:File cannot be written: Could not find a part of the path '{path}'.", failure?.Message);
    }

    [Fact]
    public async Task Line_OfARequestOverTls_HasItsVersion()
    {
        using var files = new PemFiles();
        files.Write(files.Issue("edge"));
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", Refused)], [.. Settings, NotProbed, .. files.Settings]);
        using var handler = new HttpClientHandler { ServerCertificateCustomValidationCallback = (_, _, _, _) => true };
        using var client = new HttpClient(handler) { BaseAddress = edge.Address("Https") };
        using var request = new HttpRequestMessage(HttpMethod.Get, "/nothing") { Headers = { { "X-Request-Id", "r-1" }, { "User-Agent", "test" }, { "traceparent", $"00-{TraceId}-b7ad6b7169203331-00" } } };

        await client.AskAsync(request);

        Assert.Equal(Line("404", "NR", null, path: "/nothing")[..^1] + ",\"tls_version\":\"TLSv1.3\"}", await LineAsync());
    }

    // One character a byte; the log is UTF-8.
    [Theory]
    [InlineData("Jos\u00c3\u00a9", "José")]
    [InlineData("D\u00fcsseldorf", "Düsseldorf")]
    public async Task Line_OfAnAgentThatIsNotAscii_IsLegible(string sent, string written)
    {
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", Refused)], [.. Settings, NotProbed]);

        await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, $"GET /nothing HTTP/1.1\r\n{Headers.Replace("test", sent, StringComparison.Ordinal)}Connection: close\r\n\r\n");

        Assert.Equal(Line("404", "NR", null, path: "/nothing").Replace("\"test\"", $"\"{written}\"", StringComparison.Ordinal), await LineAsync());
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private static AccessLine Example { get; } =
        new("", "GET", "/", "HTTP/1.1", 200, "-", null, 1, null, null, null, null, "r-1", null, null, null, 0, 0, null, null, null);

    private (string, string)[] Settings => [($"{Section}:Requests", "Failures"), ($"{Section}:File", LogPath), ($"{Section}:MaxPerSecond", "100000")];

    private static Task FailAsync(HttpContext context, string fault)
    {
        switch (fault)
        {
            case "reset" or "stream reset":
                context.Abort();
                return Task.CompletedTask;
            case "silence":
                return Task.Delay(Timeout.Infinite, context.RequestAborted);
            case "500" or "503":
                context.Response.StatusCode = int.Parse(fault, System.Globalization.CultureInfo.InvariantCulture);
                return Task.CompletedTask;
            default:
                return Task.CompletedTask;
        }
    }

    // What is not known of a request is not in its line. A proxied request has a cluster, and a route.
    private static string Line(
        string status, string flags, string? upstream, string? sent = "N", string method = "GET", string path = "/user/alice", string? reason = null) =>
        $$"""{"start_time":"TIME","method":"{{method}}","path":"{{path}}","protocol":"HTTP/1.1","response_code":{{status}},"response_flags":"{{flags}}",{{(reason is null ? "" : $"\"failure_reason\":\"{reason}\",")}}"duration":MS,"""
        + (upstream is null ? "" : $"{upstream},")
        + $$"""
            "request_id":"r-1","trace_id":"{{TraceId}}","client_address":"127.0.0.1","user_agent":"test","bytes_received":0
            """
        + (sent is null ? "" : $",\"bytes_sent\":{sent}")
        + (upstream is null ? "" : ",\"route\":\"user\"")
        + "}";

    private static string Normalize(string line)
    {
        var names = Destinations().Matches(line).Select(m => m.Value).Distinct().ToList();
        line = Destinations().Replace(line, m => names.IndexOf(m.Value) == 0 ? "\"destination\":\"A\"" : "\"destination\":\"B\"");
        return Lengths().Replace(Addresses().Replace(Durations().Replace(Times().Replace(line, "TIME"), "$1MS"), "ADDRESS"), "$1N");
    }

    [GeneratedRegex("\"destination\":\"usersvc-\\d\"")]
    private static partial Regex Destinations();

    [GeneratedRegex(@"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")]
    private static partial Regex Times();

    [GeneratedRegex("(\"duration\":|\"upstream_service_time\":)[0-9.]+")]
    private static partial Regex Durations();

    [GeneratedRegex(@"127\.0\.0\.1:\d+")]
    private static partial Regex Addresses();

    // Of problem JSON, which holds the machine's name.
    [GeneratedRegex("(\"bytes_sent\":)[0-9]{3}")]
    private static partial Regex Lengths();

    [GeneratedRegex("\"request_id\":\"(r-\\w+)\"")]
    private static partial Regex RequestIds();

    private Task<EdgeHost> StartAsync(IEnumerable<(string Name, string Address)> destinations, params IEnumerable<(string, string)> settings) =>
        EdgeHost.StartAsync(destinations, [.. Settings, NotProbed, .. settings]);

    private async Task<string> LineAsync()
    {
        IEnumerable<string> Lines(string log) => log.Split('\n').Where(line => line.Contains("\"request_id\":\"r-1\"", StringComparison.Ordinal));
        await Eventually.HoldsAsync(async () => Lines(await ReadAsync()).Any());
        return Normalize(Lines(await ReadAsync()).Single());
    }

    private async Task<string> ReadAsync()
    {
        using var reader = new StreamReader(new FileStream(LogPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
        return await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
    }
}
