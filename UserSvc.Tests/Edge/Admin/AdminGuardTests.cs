namespace UserSvc.Tests.Edge.Admin;

public sealed class AdminGuardTests : IAsyncLifetime
{
    private const string Host = "The admin listener does not answer to this Host. Add it to Edge:Admin:Hosts.";
    private const string Origin = "The request comes from another origin.";
    private const string Site = "The request comes from another site.";

    private EdgeHost _edge = null!;

    public async ValueTask InitializeAsync() => _edge = await EdgeHost.StartAsync([("usersvc-1", "http://127.0.0.1:1")], ("Edge:Admin:Hosts:0", "edge.internal"), ("Edge:Admin:Hosts:1", "[fd00::1]"));

    public ValueTask DisposeAsync() => _edge.DisposeAsync();

    [Theory]
    [InlineData("localhost")]
    [InlineData("LOCALHOST:8001")]
    [InlineData("127.0.0.1:8001")]
    [InlineData("127.1.2.3")]
    [InlineData("[::1]:8001")]
    [InlineData("edge.internal:8001")]
    [InlineData("[fd00::1]:8001")]
    public async Task Host_ThatIsLoopbackOrListed_IsServed(string host) => Assert.Equal(200, (await AskAsync(host)).Status);

    [Theory]
    [InlineData("evil.example")]
    [InlineData("evil.example:8001")]
    [InlineData("localhost.evil.example")]
    [InlineData("127.0.0.1.evil.example")]
    [InlineData("10.0.0.1:8001")]
    [InlineData("sub.edge.internal")]
    public async Task Host_ThatIsForeign_Is403(string host) => Assert.Equal(Forbidden(Host), await AskAsync(host));

    [Theory]
    [InlineData("Origin", "http://evil.example", Origin)]
    [InlineData("Origin", "http://localhost:9999", Origin)]
    [InlineData("Origin", "https://localhost", Origin)]
    [InlineData("Origin", "null", Origin)]
    [InlineData("Sec-Fetch-Site", "cross-site", Site)]
    [InlineData("Sec-Fetch-Site", "same-site", Site)]
    public async Task Switch_FromAnotherOrigin_Is403AndChangesNothing(string header, string value, string reason)
    {
        var answer = await AskAsync("localhost", "POST", "/healthcheck/fail", (header, value));

        Assert.Equal(Forbidden(reason), answer);
        Assert.DoesNotContain("operator", (await _edge.Health.AskAsync("/health")).Body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Origin", "http://localhost")]
    [InlineData("Sec-Fetch-Site", "same-origin")]
    [InlineData("Sec-Fetch-Site", "none")]
    public async Task Switch_FromThePageItself_IsDone(string header, string value) =>
        Assert.Equal(new Answer(200, "OK\n"), await AskAsync("localhost", "POST", "/healthcheck/ok", (header, value)));

    [Fact]
    public async Task Link_FromAnotherSite_MayBeFollowedButNotFramed()
    {
        var followed = await AskAsync("localhost", "GET", "/", ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document"));
        var framed = await AskAsync("localhost", "GET", "/", ("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "iframe"));

        Assert.Equal((200, Forbidden(Site)), (followed.Status, framed));
    }

    [Fact]
    public async Task HealthPort_UnderAnyName_Answers()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/alive") { Headers = { Host = "edge.users.svc" } };

        Assert.Equal(new Answer(200, "Healthy\n"), await _edge.Health.AskAsync(request));
    }

    [Fact]
    public void Hosts_WithAPort_StopTheStart()
    {
        var failure = Record.Exception(() => UserSvc.Edge.Program.Build(EdgeHost.Arguments([("Edge:Admin:Hosts:0", "edge:8001")], ("usersvc-1", "http://127.0.0.1:1"))));

        Assert.Equal("Edge:Admin:Hosts must be names or addresses without a port, such as edge.internal", failure?.Message);
    }

    private static Answer Forbidden(string reason) => EdgeAnswers.Problem(403, "forbidden", reason);

    private async Task<Answer> AskAsync(string host, string method = "GET", string path = "/alive", params IEnumerable<(string Name, string Value)> headers)
    {
        using var request = new HttpRequestMessage(new(method), path) { Headers = { Host = host } };
        foreach (var (name, value) in headers)
        {
            request.Headers.Add(name, value);
        }

        return await _edge.Admin.AskAsync(request);
    }
}
