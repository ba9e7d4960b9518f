namespace UserSvc.Tests.Edge;

public sealed class DrainTests
{
    [Fact]
    public async Task Sigterm_WithARequestInFlight_FailsReadinessServesOnAndLosesNoRequest()
    {
        var arrived = new TaskCompletionSource();
        var release = new TaskCompletionSource();
        await using var upstream = await Upstream.StartAsync(answer: async context =>
        {
            if (context.Request.Path == "/user/slow")
            {
                arrived.SetResult();
                await release.Task;
            }
        });
        await using var edge = await EdgeProcess.ReadyAsync(upstream, ("Drain:Time", "00:00:03"));
        var inFlight = edge.Public.AskAsync("/user/slow");
        await arrived.Task;

        edge.Terminate();
        await Eventually.HoldsAsync(async () => await edge.Health.AskAsync("/ready") == EdgeAnswers.Problem(503, "Service Unavailable", "drain: draining"));
        using var whileDraining = await edge.Public.GetAsync("/user/alice", TestContext.Current.CancellationToken);
        var alive = await edge.Health.AskAsync("/alive");
        await Eventually.HoldsAsync(async () => await Record.ExceptionAsync(() => edge.Health.AskAsync("/alive")) is HttpRequestException);
        release.SetResult();

        Assert.Equal((new Answer(200, ""), true), (await Answer.OfAsync(whileDraining), whileDraining.Headers.ConnectionClose));
        Assert.Equal(new Answer(200, "Healthy\n"), alive);
        Assert.Equal(new Answer(200, ""), await inFlight);
        Assert.Equal(0, await edge.ExitCodeAsync());
    }
}
