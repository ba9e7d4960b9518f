namespace UserSvc.Tests.Edge;

public sealed class CrossOriginTests : IAsyncLifetime
{
    private const string App = "https://app.example.com";
    private const string Policy = "Edge:Cors:app";
    private const string Route = "ReverseProxy:Routes:user:CorsPolicy";

    private static readonly string[] Allowed =
        [$"Access-Control-Allow-Origin: {App}", "Access-Control-Expose-Headers: ETag,Location,Retry-After,X-Request-Id"];

    private Upstream _upstream = null!;

    public async ValueTask InitializeAsync() => _upstream = await Upstream.StartAsync(answer: context =>
    {
        context.Response.StatusCode = int.Parse(context.Request.Path.Value!.Split('/').Last(), System.Globalization.CultureInfo.InvariantCulture);
        return Task.CompletedTask;
    });

    public ValueTask DisposeAsync() => _upstream.DisposeAsync();

    [Fact]
    public async Task Preflight_OfAnAllowedOrigin_Is204WithWhatItMayDo()
    {
        await using var edge = await StartAsync();

        var (status, headers) = await PreflightAsync(edge, App);

        Assert.Equal(204, status);
        Assert.Equal(
            ["Access-Control-Allow-Headers: authorization,content-type", "Access-Control-Allow-Methods: PUT", $"Access-Control-Allow-Origin: {App}", "Access-Control-Max-Age: 600"], headers);
        Assert.Empty(_upstream.Requests);
    }

    [Fact]
    public async Task Preflight_WithMethodsHeadersAndCredentialsSet_IsAnsweredWithThem()
    {
        await using var edge = await StartAsync(
            ($"{Policy}:Methods:0", "GET"), ($"{Policy}:Methods:1", "PUT"), ($"{Policy}:Headers:0", "Authorization"), ($"{Policy}:Headers:1", "Content-Type"), ($"{Policy}:Credentials", "true"), ($"{Policy}:MaxAge", "00:00:05"));

        Assert.Equal(
            [
                "Access-Control-Allow-Credentials: true", "Access-Control-Allow-Headers: Authorization,Content-Type", "Access-Control-Allow-Methods: GET,PUT",
                $"Access-Control-Allow-Origin: {App}", "Access-Control-Max-Age: 5",
            ],
            (await PreflightAsync(edge, App)).Headers);
    }

    [Fact]
    public async Task Origin_NotListed_GetsNoHeaders()
    {
        await using var edge = await StartAsync();

        var (status, headers) = await AskAsync(edge, "/user/200", "https://evil.example.com");

        Assert.Equal((200, 0, 0), (status, headers.Length, (await PreflightAsync(edge, "https://evil.example.com")).Headers.Length));
    }

    [Theory]
    [InlineData("/user/200", 200)]
    [InlineData("/user/401", 401)]
    [InlineData("/user/404", 404)]
    [InlineData("/user/503", 503)]
    public async Task Answer_OfAnUpstream_MayBeReadByTheOrigin(string path, int status)
    {
        await using var edge = await StartAsync(($"{EdgeHost.Metadata}:Retry.Attempts", "1"));

        var answer = await AskAsync(edge, path, App);

        Assert.Equal(status, answer.Status);
        Assert.Equal(Allowed, answer.Headers);
    }

    [Theory]
    [InlineData("429", 429)]
    [InlineData("413", 413)]
    [InlineData("no instance", 503)]
    public async Task Refusal_OfTheEdge_MayBeReadByTheOrigin(string refusal, int status)
    {
        await using var edge = await StartAsync(("Edge:RateLimits:one:Permits", "1"), ("Edge:RateLimits:one:Window", "1.00:00:00"), ("ReverseProxy:Routes:user:RateLimiterPolicy", refusal == "429" ? "one" : ""));
        if (refusal == "429")
        {
            await AskAsync(edge, "/user/200", App);
        }
        else if (refusal == "no instance")
        {
            await _upstream.StopAsync();
            await Eventually.HoldsAsync(() => Task.FromResult(edge.Available() == 0));
        }

        var answer = await AskAsync(edge, "/user/200", App, refusal == "413" ? new ByteArrayContent(new byte[70_000]) : null);

        Assert.Equal(status, answer.Status);
        Assert.Equal(Allowed, answer.Headers);
    }

    [Fact]
    public async Task Preflight_AsShipped_GoesToTheUpstream()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream]);

        Assert.Equal((200, 0), ((await PreflightAsync(edge, App)).Status, (await PreflightAsync(edge, App)).Headers.Length));
        Assert.Equal(["OPTIONS", "OPTIONS"], _upstream.Requests.Select(r => r.Method));
    }

    [Theory]
    [InlineData("https://app.example.com/", "", "Origins must be origins, a scheme and a host without a path, such as https://app.example.com, or * alone.")]
    [InlineData("app.example.com", "", "Origins must be origins, a scheme and a host without a path, such as https://app.example.com, or * alone.")]
    [InlineData("https://*.example.com", "", "Origins must be origins, a scheme and a host without a path, such as https://app.example.com, or * alone.")]
    [InlineData("null", "", "Origins must be origins, a scheme and a host without a path, such as https://app.example.com, or * alone.")]
    [InlineData("*", "Credentials=true", "Credentials must be false for the origin *: name the origins instead.")]
    [InlineData(App, "Methods:0=GET, PUT", "Methods and Headers must be lists of names, such as PUT and Content-Type; leave them out to allow any.")]
    [InlineData(App, "MaxAge=00:00:00.500", "MaxAge must be whole seconds, from 0 to 1 day.")]
    public void Policy_ThatIsWrong_StopsTheStart(string origin, string setting, string message)
    {
        var failure = Record.Exception(() => UserSvc.Edge.Program.Build(EdgeHost.Arguments(
            [($"{Policy}:Origins:0", origin), .. setting.Length > 0 ? [($"{Policy}:{setting.Split('=')[0]}", setting.Split('=')[1])] : Array.Empty<(string, string)>()], ("usersvc-1", "http://localhost:8080"))));

        Assert.Equal($"{Policy}:{message}", failure?.Message);
    }

    [Theory]
    [InlineData("web", "CORS policy 'web' not found for route 'user'.")]
    [InlineData("Disable", "CorsPolicy must name a policy below Edge:Cors, not Disable, in the route user. Leave it out for none.")]
    public void Route_WithAnUnknownPolicy_StopsTheStart(string name, string message)
    {
        var failure = Record.Exception(() => UserSvc.Edge.Program.Build(EdgeHost.Arguments([($"{Policy}:Origins:0", App), (Route, name)], ("usersvc-1", "http://localhost:8080"))));

        Assert.Equal(message, failure?.Message);
    }

    private Task<EdgeHost> StartAsync(params IEnumerable<(string, string)> settings) => EdgeHost.ReadyAsync([_upstream], [($"{Policy}:Origins:0", App), (Route, "app"), .. settings]);

    private static Task<(int Status, string[] Headers)> PreflightAsync(EdgeHost edge, string origin) => SendAsync(edge, new(HttpMethod.Options, "/user/200")
    {
        Headers = { { "Origin", origin }, { "Access-Control-Request-Method", "PUT" }, { "Access-Control-Request-Headers", "authorization,content-type" } },
    });

    private static Task<(int Status, string[] Headers)> AskAsync(EdgeHost edge, string path, string origin, HttpContent? body = null) =>
        SendAsync(edge, new(body is null ? HttpMethod.Get : HttpMethod.Post, path) { Headers = { { "Origin", origin } }, Content = body });

    /// <summary>The status and the headers of CORS, in order.</summary>
    private static async Task<(int Status, string[] Headers)> SendAsync(EdgeHost edge, HttpRequestMessage request)
    {
        using (request)
        {
            using var response = await edge.Public.SendAsync(request, TestContext.Current.CancellationToken);
            return ((int)response.StatusCode, [.. response.Headers.Where(h => h.Key.StartsWith("Access-Control-", StringComparison.Ordinal)).Select(h => $"{h.Key}: {string.Join(',', h.Value)}").Order(StringComparer.Ordinal)]);
        }
    }
}
