namespace UserSvc.Tests.Edge;

public sealed class ListenerTests : OneUpstreamTests
{
    [Theory]
    [InlineData("/ready", "LIVE\n")]
    [InlineData("/alive", "Healthy\n")]
    [InlineData("/health", "Healthy\n")]
    public async Task HealthEndpoint_OnTheHealthPortAndOnThePublicOne_IsOnlyOnTheHealthPort(string path, string answer)
    {
        var health = await _edge.Health.AskAsync(path);
        var open = await _edge.Public.AskAsync(path);

        Assert.Equal((new Answer(200, answer), EdgeAnswers.NotFound), (health, open));
    }

    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    public async Task HealthEndpoint_OnThePublicPortUnderTheHealthPortsHost_IsNotThere(string method)
    {
        using var request = new HttpRequestMessage(new(method), "/health") { Headers = { Host = _edge.Health.BaseAddress!.Authority } };

        var answer = await _edge.Public.AskAsync(request);

        Assert.Equal(EdgeAnswers.NotFound, answer);
    }

    [Theory]
    [InlineData("/user")]
    [InlineData("/user/alice")]
    public async Task UserPath_OnThePublicPortAndOnTheHealthPort_IsForwardedOnlyFromThePublicOne(string path)
    {
        var open = await _edge.Public.AskAsync(path);
        var health = await _edge.Health.AskAsync(path);

        Assert.Equal((new Answer(200, "usersvc-1"), EdgeAnswers.NotFound), (open, health));
        Assert.Equal([path], _upstream.Requests.Select(r => r.Target));
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/userx")]
    [InlineData("/users/alice")]
    [InlineData("/openapi/v1.json")]
    [InlineData("/user/../health")]
    [InlineData("/user/%2e%2e/health")]
    public async Task AnyOtherPath_OnThePublicPort_IsNotForwarded(string path)
    {
        using var response = await _edge.Public.GetAsWrittenAsync(path);

        Assert.Equal(EdgeAnswers.NotFound, await Answer.ReadAsync(response));
        Assert.Equal("application/problem+json", response.Content.Headers.ContentType?.ToString());
        Assert.Empty(_upstream.Requests);
    }
}
