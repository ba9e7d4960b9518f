using System.Globalization;
using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace UserSvc.Tests.Edge.Admin;

/// <summary>The page in a real browser, over a real edge and real upstreams.</summary>
[Scenario]
public sealed partial class PageTests(Browser browser) : IClassFixture<Browser>, IAsyncLifetime
{
    private const string Destinations = "Destinations of usersvc";
    private const string Failures = "Last failures, refusals and retries";
    private const string TraceId = "0af7651916cd43dd8448eb211c80319c";

    private static readonly (string, string)[] LogFailures = [("Edge:AccessLog:Requests", "Failures"), ("Edge:TraceUrl", "https://tempo.internal/trace/{trace_id}")];

    private readonly List<Upstream> _upstreams = [];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _upstreams.Add(await Upstream.StartAsync("usersvc-1"));
        _upstreams.Add(await Upstream.StartAsync("usersvc-2"));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var upstream in _upstreams)
        {
            await upstream.DisposeAsync();
        }
    }

    [Fact]
    public async Task Page_ClustersAndDestinations_AreShown()
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams);
        await using var page = await OpenAsync(edge);

        Assert.Equal(
            ["edge-1", "usersvc", "2 of 2 healthy", "RoundRobin", "0 of 1,024", "The access log is off, so failures are not collected: Edge:AccessLog:Requests is None."],
            await TextsAsync(page, "h1", ".cluster h2", "[data-of=health]", "[data-of=policy]", ".facts div:nth-child(2) dd", "#no-failures"));
        Assert.Equal(_upstreams.Select(u => $"{u.Name} {u.Address} | Healthy | Receiving | 0 | 0 | – | – | 0 | 0 | 0 | 0"), await page.RowsAsync(Destinations));
    }

    [Fact]
    public async Task Page_Opened_AsksOnlyItsOriginAndBreaksNoPolicy()
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams);
        await using var page = await OpenAsync(edge);
        await page.Tab.GetByRole(AriaRole.Button, new() { Name = "Theme" }).ClickAsync();
        await page.Tab.Locator(".plot").First.HoverAsync();

        Assert.Equal([Admin(edge).GetLeftPart(UriPartial.Authority)], page.Requested.Select(url => url.GetLeftPart(UriPartial.Authority)).Distinct());
        Assert.Empty(page.Complaints);
    }

    [Fact]
    public async Task Destination_Stops_IsShown()
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams);
        await using var page = await OpenAsync(edge);

        await _upstreams[1].StopAsync();

        await Eventually.HoldsAsync(async () => (await page.RowsAsync(Destinations))[1].Contains("| Out of service | Not receiving |", StringComparison.Ordinal));
        Assert.Equal("1 of 2 healthy", await page.Tab.Locator("[data-of=health]").TextContentAsync());
        Assert.Equal(["usersvc: usersvc-2 out of service"], await page.Tab.Locator("#changes p").EvaluateAllAsync<string[]>("lines => lines.map(line => line.lastChild.textContent.trim())"));
        Assert.Equal("⚠ edge-1: usersvc 1 of 2 healthy", await page.Tab.TitleAsync());
    }

    [Fact]
    public async Task Failures_OfRequests_AreShownAndFilteredByRouteAndFlag()
    {
        await using var edge = await EdgeHost.StartAsync(
            [("usersvc-1", "http://127.0.0.1:1"), ("usersvc-2", "http://127.0.0.1:2")],
            [.. LogFailures, ($"{EdgeHost.Probing}:Enabled", "false"), ($"{EdgeHost.Metadata}:Retry.Attempts", "2")]);
        await using var page = await OpenAsync(edge);
        Assert.Equal("None since the start.", await page.Tab.Locator("#no-failures").InnerTextAsync());

        await FailAsync(edge, "/user/<b>alice</b>");
        await FailAsync(edge, "/nothing");

        const string Attempts = "usersvc-N: ConnectFailure, Retry usersvc-N: ConnectFailure, NoAttemptsLeft Connection refused";
        const string Alice = $"GET /user/<b>alice</b> 127.0.0.1 r-1 | TIME | user | 502 | UF, URX | {Attempts} | MS | {TraceId}";
        const string Nothing = $"GET /nothing 127.0.0.1 r-1 | TIME | – | 404 | NR | –  | MS | {TraceId}";
        await ShowsAsync(Nothing, Alice);
        await page.Tab.GetByLabel("Flag").SelectOptionAsync("URX");
        await ShowsAsync(Alice);
        await page.Tab.GetByLabel("Route").SelectOptionAsync("(none)");
        await ShowsAsync();
        Assert.Equal("None with this route and flag.", await page.Tab.Locator("#no-failures").InnerTextAsync());
        await page.Tab.GetByLabel("Flag").SelectOptionAsync("");
        await ShowsAsync(Nothing);
        Assert.Equal("1 of 2", await page.Tab.Locator("#failures-shown").InnerTextAsync());
        var trace = page.Tab.GetByRole(AriaRole.Link, new() { Name = TraceId });
        Assert.Equal(($"https://tempo.internal/trace/{TraceId}", "noopener"), (await trace.GetAttributeAsync("href"), await trace.GetAttributeAsync("rel")));
        Assert.Equal(
            ["connect failure", "1", "reset", "0", "try timeout", "0", "gateway error", "0", "retry budget", "0", "cluster limit", "0", "client limit", "0", "destination limit", "0"],
            await page.Tab.Locator(".reasons :is(dt, dd)").AllInnerTextsAsync());

        async Task ShowsAsync(params string[] rows)
        {
            await Record.ExceptionAsync(() => Eventually.HoldsAsync(async () => rows.SequenceEqual(await ReadAsync())));
            Assert.Equal(rows, await ReadAsync());
        }

        // The table is hidden, and so has no role, when it is empty.
        async Task<IEnumerable<string>> ReadAsync() => await page.Tab.GetByRole(AriaRole.Table, new() { Name = Failures }).CountAsync() == 0 ? []
            : (await page.RowsAsync(Failures)).Select(Normalize);

        static string Normalize(string row)
        {
            var cells = row.Replace("usersvc-1", "usersvc-N", StringComparison.Ordinal).Replace("usersvc-2", "usersvc-N", StringComparison.Ordinal).Split(" | ");
            (cells[1], cells[6]) = ("TIME", "MS");
            return string.Join(" | ", cells);
        }
    }

    [Fact]
    public async Task Requests_Sent_MoveTheFiguresAndTheChart()
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams);
        await using var page = await OpenAsync(edge);
        Assert.InRange(await HeightOfRequestsAsync(page), 0, 0.1);

        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancellation);
        var load = LoadAsync(edge, enough.Token);
        await Eventually.HoldsAsync(async () => await HeightOfRequestsAsync(page) > 0.5);
        // p50 and p99 are figures, and nothing has failed.
        await Eventually.HoldsAsync(async () => (await page.RowsAsync(Destinations)).All(row => Served().IsMatch(row)));
        var requests = await TextsAsync(page, "[data-of=rate]", "[data-of=requests]", "[data-series=requests] b");
        await enough.CancelAsync();
        await load;

        Assert.All(requests, figure => Assert.True(double.Parse(figure, CultureInfo.InvariantCulture) > 0, figure));
    }

    [Fact]
    public async Task HealthCheck_FailedAndRestoredByKeyboard_ChangesReadiness()
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams);
        await using var page = await OpenAsync(edge);

        // Past the skip link; in the dialogue, past Cancel.
        await PressAsync(page, "Tab", "Tab", "Enter", "Tab", "Enter");
        await ReadinessAsync(edge, HttpStatusCode.ServiceUnavailable);
        await page.Tab.GetByText("Not ready: failed by POST /healthcheck/fail", new() { Exact = true }).WaitForAsync();

        await PressAsync(page, "Enter");
        await ReadinessAsync(edge, HttpStatusCode.OK);
        await page.Tab.GetByText("Ready", new() { Exact = true }).First.WaitForAsync();
    }

    [Fact]
    public async Task HealthCheck_DialogueCancelled_DoesNotChange()
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams);
        await using var page = await OpenAsync(edge);

        await PressAsync(page, "Tab", "Tab", "Enter", "Enter", "Enter", "Escape");

        Assert.DoesNotContain(page.Requested, url => url.AbsolutePath.StartsWith("/healthcheck", StringComparison.Ordinal));
        Assert.Equal("Fail health check", await page.Tab.EvaluateAsync<string>("document.activeElement.textContent"));
    }

    [Fact]
    public async Task HealthCheck_EdgeIsGone_SaysThatItWasNotChanged()
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams);
        await using var page = await OpenAsync(edge);
        await edge.StopAsync();

        await page.Tab.GetByRole(AriaRole.Button, new() { Name = "Fail health check" }).ClickAsync();
        await page.Tab.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Fail health check" }).ClickAsync();

        await Assertions.Expect(page.Tab.Locator("#refused")).ToHaveTextAsync("The health check was not changed: Failed to fetch");
    }

    [Fact]
    public async Task Edge_StopsAndReturns_TheLossIsShownAndPasses()
    {
        var edge = await EdgeHost.ReadyAsync(_upstreams);
        await using var page = await OpenAsync(edge);

        await edge.StopAsync();
        await Assertions.Expect(page.Lost).ToHaveTextAsync(LostConnection());
        await Assertions.Expect(page.Tab.GetByRole(AriaRole.Main)).ToHaveCSSAsync("filter", "grayscale(1)");
        var address = Admin(edge);
        await edge.DisposeAsync();

        await using var next = await EdgeHost.ReadyAsync(_upstreams, ("Kestrel:Endpoints:Admin:Url", address.GetLeftPart(UriPartial.Authority)));
        await Assertions.Expect(page.Lost).ToBeEmptyAsync();
        await page.Tab.GetByText("Connected again").WaitForAsync();
    }

    [Fact]
    public async Task Connection_GoesSilent_TheLossIsShown()
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams);
        await using var relay = new TcpRelay(Admin(edge).Port);
        await using var page = await browser.OpenAsync(new($"http://127.0.0.1:{relay.Port}"), ownClock: true);

        relay.Freeze();
        // Longer than a live edge ever pauses.
        await page.Tab.Clock.FastForwardAsync(6_000);

        await Assertions.Expect(page.Lost).ToHaveTextAsync(LostConnection());
    }

    [Fact]
    public async Task Cluster_AddedAndRemovedByReload_AppearsAndVanishes()
    {
        using var folder = new ConfigurationFolder();
        await using var edge = await EdgeHost.ReadyAsync(_upstreams, folder.Settings);
        await using var page = await OpenAsync(edge);

        folder.Replace(ConfigurationFolder.Version(1, file => file["ReverseProxy"]!["Clusters"]!["billing"] =
            new JsonObject { ["Destinations"] = new JsonObject { ["billing-1"] = new JsonObject { ["Address"] = "http://127.0.0.1:1" } } }));
        await Assertions.Expect(page.Tab.Locator(".cluster h2")).ToHaveTextAsync(["billing", "usersvc"]);

        folder.Replace(ConfigurationFolder.Version(2));
        await Assertions.Expect(page.Tab.Locator(".cluster h2")).ToHaveTextAsync(["usersvc"]);
        Assert.Empty(page.Complaints);
    }

    [Fact]
    public async Task Destinations_AHundred_AreFoundByNameAndByHealth()
    {
        await _upstreams[1].StopAsync();
        var names = Enumerable.Range(1, 100).Select(n => (Name: $"pod-{n}", Address: n == 42 ? "http://127.0.0.1:1" : _upstreams[0].Address)).ToList();
        await using var edge = await EdgeHost.StartAsync(names);
        await using var page = await OpenAsync(edge);

        await Eventually.HoldsAsync(async () => (await NamesAsync(page)).SequenceEqual(names.Select(n => n.Name)));
        await page.Tab.GetByLabel("Search by name or address").FillAsync("POD-10");
        Assert.Equal(["pod-10", "pod-100"], await NamesAsync(page));
        await page.Tab.GetByLabel("Search by name or address").FillAsync("");
        await page.Tab.GetByLabel("Only unhealthy").CheckAsync();
        await Eventually.HoldsAsync(async () => await NamesAsync(page) is ["pod-42"]);
    }

    [Theory]
    [InlineData(360, ColorScheme.Light)]
    [InlineData(360, ColorScheme.Dark)]
    [InlineData(820, ColorScheme.Light)]
    [InlineData(1440, ColorScheme.Light)]
    [InlineData(1440, ColorScheme.Dark)]
    public async Task Page_AnyWidthAndTheme_FitsAndIsAccessible(int width, ColorScheme theme)
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams, LogFailures);
        await _upstreams[1].StopAsync();
        await FailAsync(edge, "/nothing");
        await FailAsync(edge, "/" + new string('a', 300));
        await using var page = await browser.OpenAsync(Admin(edge), width, theme);
        await page.Tab.GetByText("Out of service").First.WaitForAsync();
        await Assertions.Expect(page.Tab.Locator("#failures tr")).ToHaveCountAsync(2);

        var violations = (await page.Tab.RunAxe()).Violations;

        Assert.Equal(width, await page.Tab.EvaluateAsync<int>("document.documentElement.scrollWidth"));
        Assert.Empty(violations.SelectMany(v => v.Nodes.Select(n => $"{v.Id}: {n.Html}")));
        Assert.Empty(page.Complaints);
    }

    [Fact]
    public async Task Theme_Chosen_IsRemembered()
    {
        await using var edge = await EdgeHost.ReadyAsync(_upstreams);
        await using var page = await OpenAsync(edge);
        var theme = page.Tab.GetByRole(AriaRole.Button, new() { Name = "Theme" });

        await theme.ClickAsync();
        await theme.ClickAsync();
        var chosen = await ColoursAsync(page);
        await page.Tab.ReloadAsync();

        Assert.Equal(["Theme: dark", "rgb(13, 17, 23)"], chosen);
        Assert.Equal(chosen, await ColoursAsync(page));

        async Task<string[]> ColoursAsync(AdminPage page) =>
            [await theme.TextContentAsync() ?? "", await page.Tab.EvaluateAsync<string>("getComputedStyle(document.documentElement).backgroundColor")];
    }

    private static Uri Admin(EdgeHost edge) => edge.Address("Admin");

    private Task<AdminPage> OpenAsync(EdgeHost edge) => browser.OpenAsync(Admin(edge));

    private static async Task<string[]> TextsAsync(AdminPage page, params string[] selectors) =>
        await Task.WhenAll(selectors.Select(selector => page.Tab.Locator(selector).First.InnerTextAsync()));

    private static async Task<string[]> NamesAsync(AdminPage page) => [.. (await page.RowsAsync(Destinations)).Select(row => row[..row.IndexOf(' ', StringComparison.Ordinal)])];

    private static async Task PressAsync(AdminPage page, params string[] keys)
    {
        foreach (var key in keys)
        {
            await page.Tab.Keyboard.PressAsync(key);
        }
    }

    private static Task<string> FailAsync(EdgeHost edge, string path) => RawConnection.ExchangeAsync(
        edge.Public.BaseAddress!, $"GET {path} HTTP/1.1\r\nHost: x\r\nX-Request-Id: r-1\r\ntraceparent: 00-{TraceId}-b7ad6b7169203331-00\r\nConnection: close\r\n\r\n");

    private static Task ReadinessAsync(EdgeHost edge, HttpStatusCode status) =>
        Eventually.HoldsAsync(async () => (await edge.Health.GetAsync("/ready", Cancellation)).StatusCode == status);

    private static async Task LoadAsync(EdgeHost edge, CancellationToken enough)
    {
        while (!enough.IsCancellationRequested)
        {
            await edge.Public.AskAsync("/user/alice");
        }
    }

    [GeneratedRegex(@"^Connection lost\. Figures are from \d\d:\d\d:\d\d\. Reconnecting…$")]
    private static partial Regex LostConnection();

    [GeneratedRegex(@"^usersvc-\d http://\S+ \| Healthy \| Receiving \| \d+ \| [\d,.]+ \| [\d,.]+ \| [\d,.]+ \| 0 \| 0 \| 0 \| 0$")]
    private static partial Regex Served();

    /// <summary>How high the painted line of requests rises in its chart, from 0 to 1.</summary>
    private static Task<double> HeightOfRequestsAsync(AdminPage page) => page.Tab.Locator(".plot canvas").First.EvaluateAsync<double>(
        """
        canvas => {
          const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          const colour = getComputedStyle(document.documentElement).getPropertyValue("--requests").match(/\d+/g).map(Number);
          const painted = data.findIndex((_, i) => i % 4 === 0 && colour.every((part, j) => Math.abs(data[i + j] - part) < 8));
          // A line of zeros is painted on the axis, half below it.
          return painted < 0 ? 0 : Math.max(0, 1 - Math.floor(painted / 4 / width) / (height * 0.86));
        }
        """);
}
