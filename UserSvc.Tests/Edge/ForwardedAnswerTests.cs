using Microsoft.AspNetCore.Http;

namespace UserSvc.Tests.Edge;

public sealed class ForwardedAnswerTests
{
    [Theory]
    [InlineData("GET", 404, null, null)]
    [InlineData("HEAD", 404, null, null)]
    [InlineData("HEAD", 404, "application/problem+json", "{}")]
    [InlineData("GET", 400, "text/plain", "no")]
    [InlineData("DELETE", 401, "application/problem+json", """{"ok":false}""")]
    [InlineData("GET", 500, null, null)]
    [InlineData("GET", 502, "text/html", "<p>bad</p>")]
    [InlineData("GET", 503, "application/problem+json", """{"ok":false}""")]
    [InlineData("DELETE", 204, null, null)]
    [InlineData("GET", 304, null, null)]
    public async Task UpstreamsAnswer_ThroughTheEdge_IsWhatItIsStraight(string method, int status, string? contentType, string? body)
    {
        await using var upstream = await Upstream.StartAsync(answer: async context =>
        {
            context.Response.StatusCode = status;
            context.Response.Headers.ETag = "W/\"1\"";
            context.Response.Headers.RetryAfter = "7";
            context.Response.Headers["x-envoy-overloaded"] = "true";
            if (contentType is not null)
            {
                context.Response.ContentType = contentType;
                await context.Response.WriteAsync(body!);
            }
        });
        await using var edge = await EdgeHost.ReadyAsync([upstream]);
        using var straight = new HttpClient { BaseAddress = new(upstream.Address) };

        var expected = await AskAsync(straight, method);
        var actual = await AskAsync(edge.Public, method);

        Assert.Equal(expected, actual);
    }

    [Fact]
    public async Task UpstreamsAnswer_NamingItsServerAndARequestId_LosesTheOneAndHasTheEdgesOther()
    {
        await using var upstream = await Upstream.StartAsync(answer: context =>
        {
            context.Response.Headers.Server = "Kestrel";
            context.Response.Headers["X-Request-Id"] = "the-upstreams";
            return context.Response.WriteAsync("hello");
        });
        await using var edge = await EdgeHost.ReadyAsync([upstream]);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/user/alice") { Headers = { { "X-Request-Id", "the-clients" } } };

        using var response = await edge.Public.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(["Date", "Transfer-Encoding", "Via", "X-Request-ID"], response.Headers.Select(h => h.Key).Order());
        Assert.Equal(["the-clients"], response.Headers.GetValues("X-Request-Id"));
    }

    [Fact]
    public async Task UpstreamsAnswer_CutInItsBody_IsCutForTheClientToo()
    {
        await using var upstream = await Upstream.StartAsync(answer: async context =>
        {
            context.Response.ContentLength = 1000;
            await context.Response.WriteAsync("the beginning");
            await context.Response.Body.FlushAsync();
            context.Abort();
        });
        await using var edge = await EdgeHost.ReadyAsync([upstream]);

        var failure = await Record.ExceptionAsync(() => edge.Public.GetStringAsync("/user/alice", TestContext.Current.CancellationToken));

        Assert.IsType<HttpRequestException>(failure);
    }

    // What each server sets by itself is left out: the date, the edge's Via and request id, and how the body's end is told.
    private static async Task<(int, string, string)> AskAsync(HttpClient client, string method)
    {
        using var request = new HttpRequestMessage(new(method), "/user/alice");
        using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);
        var headers = response.Headers.Concat(response.Content.Headers)
            .Where(h => h.Key is not ("Date" or "Via" or "X-Request-ID"))
            .Select(h => $"{h.Key}: {string.Join(", ", h.Value)}").Order();
        return ((int)response.StatusCode, string.Join("\n", headers), await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }
}
