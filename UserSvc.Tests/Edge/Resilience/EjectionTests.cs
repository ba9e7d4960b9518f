using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Tests.Edge.Resilience;

public sealed class EjectionTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly List<Upstream> _upstreams = [];
    private readonly HashSet<string> _failing = [];

    [Fact]
    public async Task Instance_FailingFiveRequestsInARow_GetsNoneForThirtySeconds()
    {
        await using var edge = await EdgeAsync(instances: 3);
        _failing.Add("usersvc-2");
        await AskAsync(edge, 15);

        var ejected = await AskAsync(edge, 30);
        _failing.Clear();
        _time.Advance(TimeSpan.FromSeconds(29));
        var stillEjected = await AskAsync(edge, 30);
        _time.Advance(TimeSpan.FromSeconds(1));
        var returned = await AskAsync(edge, 30);

        Assert.Equal("200 usersvc-1 15, 200 usersvc-3 15", ejected);
        Assert.Equal("200 usersvc-1 15, 200 usersvc-3 15", stillEjected);
        Assert.Equal("200 usersvc-1 10, 200 usersvc-2 10, 200 usersvc-3 10", returned);
    }

    [Fact]
    public async Task Instance_FailingAgain_IsEjectedForTwiceTheTime()
    {
        await using var edge = await EdgeAsync(instances: 3);
        _failing.Add("usersvc-2");
        await AskAsync(edge, 15);
        _time.Advance(TimeSpan.FromSeconds(30));
        await AskAsync(edge, 15);
        _failing.Clear();

        _time.Advance(TimeSpan.FromSeconds(59));
        var stillEjected = await AskAsync(edge, 30);
        _time.Advance(TimeSpan.FromSeconds(1));
        var returned = await AskAsync(edge, 30);

        Assert.Equal("200 usersvc-1 15, 200 usersvc-3 15", stillEjected);
        Assert.Equal("200 usersvc-1 10, 200 usersvc-2 10, 200 usersvc-3 10", returned);
    }

    [Fact]
    public async Task Instance_FailingAgainAfterAsLongAGoodTime_IsEjectedForOnce()
    {
        await using var edge = await EdgeAsync(instances: 3);
        _failing.Add("usersvc-2");
        await AskAsync(edge, 15);
        _time.Advance(TimeSpan.FromSeconds(30));
        _time.Advance(TimeSpan.FromSeconds(30));
        await AskAsync(edge, 15);
        _failing.Clear();

        _time.Advance(TimeSpan.FromSeconds(30));
        var returned = await AskAsync(edge, 30);

        Assert.Equal("200 usersvc-1 10, 200 usersvc-2 10, 200 usersvc-3 10", returned);
    }

    [Theory]
    [InlineData(2, 1)]
    [InlineData(3, 2)]
    [InlineData(4, 2)]
    public async Task AllInstances_Failing_AreEjectedUpToHalf(int instances, int left)
    {
        await using var edge = await EdgeAsync(instances);
        _failing.UnionWith(_upstreams.Select(u => u.Name));
        await AskAsync(edge, 10 * instances);
        _failing.Clear();

        var answers = await AskAsync(edge, 60);

        Assert.Equal(left, answers.Split(", ").Length);
    }

    [Fact]
    public async Task Instance_FailingFourInARow_StaysHoweverOften()
    {
        await using var edge = await EdgeAsync(instances: 2);
        for (var i = 0; i < 5; i++)
        {
            _failing.Add("usersvc-2");
            await AskAsync(edge, 8);
            _failing.Clear();
            await AskAsync(edge, 2);
        }

        Assert.Equal("200 usersvc-1 5, 200 usersvc-2 5", await AskAsync(edge, 10));
    }

    [Fact]
    public async Task Instance_SayingItIsOverloaded_IsNotEjected()
    {
        await using var edge = await EdgeAsync(instances: 2, overloaded: true);
        _failing.Add("usersvc-2");
        await AskAsync(edge, 20);

        Assert.Equal("200 usersvc-1 5, 503 usersvc-2 5", await AskAsync(edge, 10));
    }

    [Fact]
    public async Task Instance_BackAfterAFailedProbe_DoesNotSitOutItsEjection()
    {
        await using var edge = await EdgeAsync(instances: 3, "00:00:00.001");
        _failing.Add("usersvc-2");
        await AskAsync(edge, 15);
        await ProbedAsync(edge, DestinationHealth.Unhealthy);
        _failing.Clear();
        await ProbedAsync(edge, DestinationHealth.Healthy);

        await Eventually.HoldsAsync(async () => await AskAsync(edge, 30) == "200 usersvc-1 10, 200 usersvc-2 10, 200 usersvc-3 10");
    }

    [Fact]
    public async Task Ejection_AfterOneThatAProbeEnded_LastsItsOwnTime()
    {
        await using var edge = await EdgeAsync(instances: 3, "00:00:00.001");
        for (var ejection = 1; ejection <= 3; ejection++)
        {
            _failing.Add("usersvc-2");
            await AskAsync(edge, 15);
            Assert.Equal(1, edge.Unhealthy());
            _failing.Clear();
            if (ejection < 3)
            {
                await ProbedAsync(edge, DestinationHealth.Unhealthy);
                await ProbedAsync(edge, DestinationHealth.Healthy);
                await Eventually.HoldsAsync(() => Task.FromResult(edge.Unhealthy() == 0));
            }
        }

        // The third lasts 90 s. The first would have ended after 30, and early ends are neither forgiven nor held against it.
        _time.Advance(TimeSpan.FromSeconds(89));
        var stillEjected = edge.Unhealthy();
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal((1, 0), (stillEjected, edge.Unhealthy()));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var upstream in _upstreams)
        {
            await upstream.DisposeAsync();
        }
    }

    private async Task<EdgeHost> EdgeAsync(int instances, string probing = "01:00:00", bool overloaded = false)
    {
        for (var i = 1; i <= instances; i++)
        {
            var name = $"usersvc-{i}";
            _upstreams.Add(await Upstream.StartAsync(name, context =>
            {
                if (_failing.Contains(name))
                {
                    context.Response.StatusCode = overloaded ? StatusCodes.Status503ServiceUnavailable : StatusCodes.Status500InternalServerError;
                    context.Response.Headers["x-envoy-overloaded"] = overloaded ? "true" : default;
                }

                return context.Response.WriteAsync(name);
            }));
        }

        return await EdgeHost.ReadyAsync(_time, _upstreams, ($"{EdgeHost.Probing}:Interval", probing));
    }

    // Each poll advances one probe interval, too short for any number of polls to end an ejection.
    private async Task ProbedAsync(EdgeHost edge, DestinationHealth expected)
    {
        _upstreams[1].Healthy = expected is DestinationHealth.Healthy;
        var destination = edge.Services.GetRequiredService<IProxyStateLookup>().GetClusters().Single().Destinations["usersvc-2"];
        await Eventually.HoldsAsync(() =>
        {
            _time.Advance(TimeSpan.FromMilliseconds(1));
            return Task.FromResult(destination.Health.Active == expected);
        });
    }

    /// <returns>As "200 usersvc-1 15, 200 usersvc-3 15": status, instance and how often.</returns>
    private static async Task<string> AskAsync(EdgeHost edge, int times)
    {
        var answers = new List<string>();
        for (var i = 0; i < times; i++)
        {
            using var response = await edge.Public.GetAsync("/user/alice", TestContext.Current.CancellationToken);
            answers.Add($"{(int)response.StatusCode} {await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)}");
        }

        return string.Join(", ", answers.CountBy(a => a).Select(a => $"{a.Key} {a.Value}").Order());
    }
}
