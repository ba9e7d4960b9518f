using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using UserSvc.Edge.Resilience;
using UserSvc.Edge.Statistics;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Tests.Edge.Resilience;

/// <summary>Calls the policy directly, so that outcomes come in a fixed order.</summary>
public sealed class ConsecutiveFailuresTests
{
    private static readonly (string, string)[] Instances = [("usersvc-1", "http://127.0.0.1:1"), ("usersvc-2", "http://127.0.0.1:1"), ("usersvc-3", "http://127.0.0.1:1")];

    private readonly FakeTimeProvider _time = new();

    /// <summary>Outcomes, one a letter: + answered, - failed, o overloaded, . nothing learned; and after each whether the destination is in service (+) or ejected (-).</summary>
    [Theory]
    [InlineData("---", "++-")]
    [InlineData("--+--", "+++++")]
    [InlineData("-+--", "++++")]
    [InlineData("--o-", "+++-")]
    [InlineData("--.-", "+++-")]
    [InlineData("---+", "++--")]
    public async Task Destination_AfterTheseOutcomes_IsEjectedOnlyByThreeFailuresInARow(string outcomes, string expected)
    {
        await using var edge = await EdgeAsync();

        var service = Tell(edge, outcomes);

        Assert.Equal(expected, service);
    }

    [Theory]
    [InlineData("---")]
    [InlineData("-----")]
    public async Task Destination_BackFromAnEjection_IsEjectedAfterThreeMore(string outcomes)
    {
        await using var edge = await EdgeAsync();
        Tell(edge, outcomes);
        _time.Advance(TimeSpan.FromSeconds(30));

        var service = Tell(edge, "---");

        Assert.Equal("++-", service);
    }

    [Fact]
    public async Task Destination_KeptBecauseTooManyAreEjected_IsEjectedAfterThreeMore()
    {
        await using var edge = await EdgeAsync();
        var (cluster, _) = Find(edge);
        edge.Services.GetRequiredService<Ejections>().Begin(cluster, cluster.Destinations["usersvc-2"]);
        Tell(edge, "---");
        _time.Advance(TimeSpan.FromSeconds(30));

        var service = Tell(edge, "---");

        Assert.Equal("++-", service);
    }

    private Task<EdgeHost> EdgeAsync() =>
        EdgeHost.StartAsync(_time, Instances, ($"{EdgeHost.Probing}:Enabled", "false"), ($"{EdgeHost.Metadata}:Ejection.ConsecutiveFailures", "3"));

    private static (ClusterState Cluster, DestinationState Destination) Find(EdgeHost edge)
    {
        var cluster = Assert.Single(edge.Services.GetRequiredService<IProxyStateLookup>().GetClusters());
        return (cluster, cluster.Destinations["usersvc-1"]);
    }

    private static string Tell(EdgeHost edge, string outcomes)
    {
        var (cluster, destination) = Find(edge);
        var policy = Assert.Single(edge.Services.GetServices<IPassiveHealthCheckPolicy>().OfType<ConsecutiveFailures>());
        var shared = edge.Services.GetRequiredService<ResilienceState>().Get(cluster);
        var service = string.Empty;
        foreach (var outcome in outcomes)
        {
            var attempts = new Attempts(shared, shared.GetSettings(cluster.Model), Repeatability.Safe, null, null, TimeProvider.System);
            attempts.Answer(
                outcome switch { '+' => AttemptOutcome.Answered, '-' => AttemptOutcome.Failed, 'o' => AttemptOutcome.Overloaded, _ => AttemptOutcome.Nothing },
                upgraded: false);
            var context = new DefaultHttpContext();
            context.Features.Set(attempts);
            policy.RequestProxied(context, cluster, destination);
            service += destination.Health.Passive is DestinationHealth.Unhealthy ? '-' : '+';
        }

        return service;
    }
}
