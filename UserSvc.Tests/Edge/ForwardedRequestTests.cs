namespace UserSvc.Tests.Edge;

public sealed class ForwardedRequestTests : OneUpstreamTests
{
    [Theory]
    [InlineData("/user/alice")]
    [InlineData("/user?limit=2&after=a%2Fb%20c")]
    [InlineData("/user/a%2Fb")]
    [InlineData("/user/a%252Fb")]
    [InlineData("/user/..%2Fhealth")]
    [InlineData("/user/%C3%A9")]
    [InlineData("/user/e%CC%81")]
    [InlineData("/user/%FF")]
    [InlineData("/user/a%20b+c;d=e@f:g,h!i'j(k)*l$m&n~")]
    [InlineData("/user/a%3Fb%23c%5Cd%7Ce")]
    [InlineData("/user/100%")]
    [InlineData("/user/%252e%252e/health")]
    [InlineData("/user/...")]
    [InlineData("/user/.alice")]
    [InlineData("/user/a.%2eb")]
    [InlineData("/user/alice?x=/../y//z%2F")]
    [InlineData("/USER/Alice/")]
    public async Task Path_ThroughTheEdge_ArrivesAsWhenTheUpstreamIsCalledStraight(string path)
    {
        using var straight = new HttpClient { BaseAddress = new(_upstream.Address) };

        using var first = await straight.GetAsWrittenAsync(path);
        using var second = await _edge.Public.GetAsWrittenAsync(path);

        var arrived = _upstream.Requests.Select(r => (r.Target, r.Path)).ToList();
        Assert.Equal([(path, arrived[0].Path), (path, arrived[0].Path)], arrived);
    }

    [Theory]
    [InlineData(8000, 200)]
    [InlineData(8200, 414)]
    public async Task Target_OfThisLength_PassesUpToTheLimit(int length, int status)
    {
        var target = $"/user/alice?{new string('a', length - 12)}";

        var answer = await _edge.Public.AskAsync(target);

        Assert.Equal(status, answer.Status);
        Assert.Equal(status == 200 ? [target] : [], _upstream.Requests.Select(r => r.Target));
    }

    [Theory]
    [InlineData("PROPFIND")]
    [InlineData("M-SEARCH")]
    [InlineData("QUERY")]
    [InlineData("PATCH")]
    [InlineData("TRACE")]
    [InlineData("A!#$%&'*+-.^_`|~z0")]
    public async Task Method_OfAnyName_ArrivesAsItWasSent(string method)
    {
        using var connection = await RawConnection.OpenAsync(_edge.Public.BaseAddress!);
        await connection.SendAsync($"{method} /user/alice HTTP/1.1\r\nHost: x\r\n\r\n");
        var answer = await connection.ReadHeadAsync();

        Assert.Equal(("HTTP/1.1 200 OK", method), (answer.Split("\r\n")[0], _upstream.Requests.SingleOrDefault()?.Method));
    }

    [Theory]
    [InlineData("alice")]
    [InlineData("0b9d5a6e-23d3-4a4c-9a2b-8f2c9f6f3f11")]
    [InlineData("A.b_C-9")]
    public async Task RequestId_WellFormed_IsKept(string id)
    {
        var (upstreams, clients) = await AskWithRequestIdAsync("/user/alice", id);

        Assert.Equal((id, id), (upstreams, clients));
    }

    [Theory]
    [InlineData]
    [InlineData("")]
    [InlineData("two words")]
    [InlineData("a,b")]
    [InlineData("a\tb")]
    [InlineData("<script>")]
    [InlineData("two", "headers")]
    public async Task RequestId_AbsentOrMalformed_IsReplaced(params string[] ids)
    {
        var (upstreams, clients) = await AskWithRequestIdAsync("/user/alice", ids);

        Assert.Equal(upstreams, clients);
        Assert.Matches("^[0-9a-f]{32}$", clients);
    }

    [Theory]
    [InlineData(128, true)]
    [InlineData(129, false)]
    public async Task RequestId_OfThisLength_IsKeptUpTo128(int length, bool kept)
    {
        var id = new string('a', length);

        var (_, clients) = await AskWithRequestIdAsync("/user/alice", id);

        Assert.Equal(kept, clients == id);
    }

    [Fact]
    public async Task RequestId_OnTheEdgesOwnError_IsReturned()
    {
        var (_, clients) = await AskWithRequestIdAsync("/nothing", "my-id");

        Assert.Equal("my-id", clients);
    }

    private async Task<(string? Upstreams, string Clients)> AskWithRequestIdAsync(string path, params string[] ids)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        request.Headers.TryAddWithoutValidation("X-Request-Id", ids);
        using var response = await _edge.Public.SendAsync(request, TestContext.Current.CancellationToken);
        return (_upstream.Requests.SingleOrDefault()?.Headers["X-Request-Id"], response.Headers.GetValues("X-Request-Id").Single());
    }
}
