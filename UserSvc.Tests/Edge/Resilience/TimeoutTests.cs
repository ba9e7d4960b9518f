using Microsoft.AspNetCore.Http;

namespace UserSvc.Tests.Edge.Resilience;

public sealed class TimeoutTests
{
    private static readonly Answer TimedOut = EdgeAnswers.Problem(504, "Gateway Timeout", "The service did not answer in time.");

    [Theory]
    [InlineData("GET")]
    [InlineData("POST")]
    public async Task Request_LongerThanItsRouteAllows_Is504(string method)
    {
        await using var upstream = await Upstream.StartAsync(answer: context => Task.Delay(Timeout.Infinite, context.RequestAborted));
        await using var edge = await EdgeHost.ReadyAsync([upstream], ("ReverseProxy:Routes:user:Timeout", "00:00:00.300"));
        using var request = new HttpRequestMessage(new(method), "/user/alice");

        var answer = await edge.Public.AskAsync(request);

        Assert.Equal(TimedOut, answer);
    }

    [Fact]
    public async Task Answer_WhoseBodyPausesLongerThanATry_IsWhole()
    {
        var release = new TaskCompletionSource();
        await using var first = await Upstream.StartAsync("usersvc-1", PausingAsync);
        await using var second = await Upstream.StartAsync("usersvc-2", PausingAsync);
        await using var edge = await EdgeHost.ReadyAsync([first, second], ($"{EdgeHost.Metadata}:Retry.TryTimeout", "00:00:00.100"));

        using var response = await edge.Public.GetAsync("/user/alice", HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        // Longer than the try's time, whose end would cut the body.
        await Task.Delay(TimeSpan.FromMilliseconds(300), TestContext.Current.CancellationToken);
        release.SetResult();

        Assert.Equal(new Answer(200, "one two"), await Answer.OfAsync(response));

        async Task PausingAsync(HttpContext context)
        {
            await context.Response.WriteAsync("one ");
            await context.Response.Body.FlushAsync();
            await release.Task;
            await context.Response.WriteAsync("two");
        }
    }

    [Fact]
    public async Task Request_TimedOutByItsRoute_CountsAgainstTheInstance()
    {
        await using var first = await Upstream.StartAsync("usersvc-1");
        await using var second = await Upstream.StartAsync("usersvc-2", context => Task.Delay(Timeout.Infinite, context.RequestAborted));
        await using var edge = await EdgeHost.ReadyAsync(
            [first, second], ("ReverseProxy:Routes:user:Timeout", "00:00:00.100"), ($"{EdgeHost.Metadata}:Ejection.ConsecutiveFailures", "1"), ($"{EdgeHost.Metadata}:Retry.Attempts", "1"));

        var answers = new List<int>();
        for (var i = 0; i < 6; i++)
        {
            answers.Add((await edge.Public.AskAsync("/user/alice")).Status);
        }

        Assert.Equal((1, 5), (answers.Count(s => s == 504), answers.Count(s => s == 200)));
    }
}
