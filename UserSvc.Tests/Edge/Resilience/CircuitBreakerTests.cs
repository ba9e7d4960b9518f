using Microsoft.AspNetCore.Http;

namespace UserSvc.Tests.Edge.Resilience;

public sealed class CircuitBreakerTests : IAsyncDisposable
{
    private readonly TaskCompletionSource _release = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<Upstream> _upstreams = [];

    [Fact]
    public async Task Requests_OverTheClustersLimit_AreRefusedAsOverloadAndHealthStillAnswers()
    {
        await using var edge = await EdgeAsync(instances: 2, ("CircuitBreaker.MaxRequests", "10"));
        var held = Enumerable.Range(0, 10).Select(_ => edge.Public.AskAsync("/user/held")).ToList();
        await ArrivedAsync(10);

        using var refused = await edge.Public.GetAsync("/user/alice", TestContext.Current.CancellationToken);
        var ready = await edge.Health.AskAsync("/ready");
        _release.SetResult();

        Assert.Equal(EdgeAnswers.Problem(503, "overloaded", "Too many requests to the service are in flight."), await Answer.ReadAsync(refused));
        Assert.Equal((TimeSpan.FromSeconds(1), "true"), (refused.Headers.RetryAfter?.Delta, refused.Headers.GetValues("x-envoy-overloaded").Single()));
        Assert.Equal(new Answer(200, "LIVE\n"), ready);
        Assert.Equal(Enumerable.Repeat(200, 10), (await Task.WhenAll(held)).Select(a => a.Status));
        Assert.Equal(200, (await edge.Public.AskAsync("/user/alice")).Status);
    }

    [Fact]
    public async Task Requests_OverOneInstancesLimit_GoToAnotherUntilAllAreFull()
    {
        await using var edge = await EdgeAsync(instances: 3, ("CircuitBreaker.MaxRequestsPerDestination", "2"));
        var held = new List<Task<Answer>>();
        for (var i = 1; i <= 6; i++)
        {
            held.Add(edge.Public.AskAsync("/user/held"));
            await ArrivedAsync(i);
        }

        var refused = await edge.Public.AskAsync("/user/alice");
        _release.SetResult();

        Assert.Equal(EdgeAnswers.Problem(503, "overloaded", "Every instance has its maximum number of requests in flight."), refused);
        Assert.Equal([2, 2, 2], _upstreams.Select(u => u.Requests.Count));
        Assert.Equal(Enumerable.Repeat(200, 6), (await Task.WhenAll(held)).Select(a => a.Status));
    }

    [Fact]
    public async Task Instance_FullWhileOthersAreNot_IsPassedOver()
    {
        await using var edge = await EdgeAsync(instances: 2, ("CircuitBreaker.MaxRequestsPerDestination", "1"));
        var held = edge.Public.AskAsync("/user/held");
        await ArrivedAsync(1);

        var answers = new List<Answer>();
        for (var i = 0; i < 4; i++)
        {
            answers.Add(await edge.Public.AskAsync("/user/alice"));
        }

        _release.SetResult();
        var idle = (await held).Body == "usersvc-1" ? "usersvc-2" : "usersvc-1";
        Assert.Equal(Enumerable.Repeat(new Answer(200, idle), 4), answers);
    }

    public async ValueTask DisposeAsync()
    {
        _release.TrySetResult();
        foreach (var upstream in _upstreams)
        {
            await upstream.DisposeAsync();
        }
    }

    private async Task<EdgeHost> EdgeAsync(int instances, (string Key, string Value) limit)
    {
        for (var i = 1; i <= instances; i++)
        {
            var name = $"usersvc-{i}";
            _upstreams.Add(await Upstream.StartAsync(name, async context =>
            {
                if (context.Request.Path == "/user/held")
                {
                    await _release.Task;
                }

                await context.Response.WriteAsync(name);
            }));
        }

        return await EdgeHost.ReadyAsync(_upstreams, ($"{EdgeHost.Metadata}:{limit.Key}", limit.Value), ("Edge:FairShares", "false"));
    }

    private Task ArrivedAsync(int requests) => Eventually.HoldsAsync(() => Task.FromResult(_upstreams.Sum(u => u.Requests.Count) == requests));
}
