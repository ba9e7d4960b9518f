using System.Net;
using Microsoft.Extensions.DependencyInjection;
using UserSvc.Edge.Resilience;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Health;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Tests.Edge.Resilience;

public sealed class ProbeThresholdsTests
{
    /// <summary>Probes, one a letter: + 2xx, - another answer, x refused, . silence; and the health after each: + healthy, - not, ? unknown.</summary>
    [Theory]
    [InlineData("+", "+")]
    [InlineData("..", "?-")]
    [InlineData("+.+.+", "+++++")]
    [InlineData("+..+++", "+" + "+-" + "--+")]
    [InlineData("+..++.+++", "+" + "+-" + "---" + "--+")]
    [InlineData("+-+++", "+-" + "--+")]
    [InlineData("+x+++", "+-" + "--+")]
    public async Task Health_AfterTheseProbes_FollowsTheThresholds(string probes, string expected)
    {
        // Never probed by itself within a test's time.
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", "http://127.0.0.1:1")],
            ($"{EdgeHost.Probing}:Enabled", "false"), ($"{EdgeHost.Metadata}:Probe.UnhealthyThreshold", "2"), ($"{EdgeHost.Metadata}:Probe.HealthyThreshold", "3"));
        var cluster = Assert.Single(edge.Services.GetRequiredService<IProxyStateLookup>().GetClusters());
        var destination = Assert.Single(cluster.DestinationsState.AllDestinations);
        var policy = Assert.Single(edge.Services.GetServices<IActiveHealthCheckPolicy>().OfType<ProbeThresholds>());

        var health = string.Empty;
        foreach (var probe in probes)
        {
            using var response = probe switch { '+' => new HttpResponseMessage(HttpStatusCode.NoContent), '-' => new HttpResponseMessage(HttpStatusCode.NotFound), _ => null };
            Exception? failure = probe switch { 'x' => new HttpRequestException(HttpRequestError.ConnectionError), '.' => new OperationCanceledException(), _ => null };
            policy.ProbingCompleted(cluster, [new(destination, response, failure)]);
            health += destination.Health.Active switch { DestinationHealth.Healthy => '+', DestinationHealth.Unhealthy => '-', _ => '?' };
        }

        Assert.Equal(expected, health);
    }

    [Fact]
    public async Task Instances_SilentAndThenRefusingConnections_LeaveThePanicWithoutAChangeOfHealth()
    {
        await using var edge = await EdgeHost.StartAsync(
            [("usersvc-1", "http://127.0.0.1:1"), ("usersvc-2", "http://127.0.0.1:1"), ("usersvc-3", "http://127.0.0.1:1")],
            ($"{EdgeHost.Probing}:Enabled", "false"), ($"{EdgeHost.Metadata}:Probe.UnhealthyThreshold", "1"));
        var cluster = Assert.Single(edge.Services.GetRequiredService<IProxyStateLookup>().GetClusters());
        var destinations = cluster.DestinationsState.AllDestinations.OrderBy(d => d.DestinationId).ToList();
        var policy = Assert.Single(edge.Services.GetServices<IActiveHealthCheckPolicy>().OfType<ProbeThresholds>());
        using var ok = new HttpResponseMessage(HttpStatusCode.OK);

        Probe(new OperationCanceledException());
        var whileSilent = Available();
        Probe(new HttpRequestException(HttpRequestError.ConnectionError));

        Assert.Equal(("usersvc-1 usersvc-2 usersvc-3", "usersvc-3"), (whileSilent, Available()));

        void Probe(Exception failure) => policy.ProbingCompleted(cluster, [new(destinations[0], null, failure), new(destinations[1], null, failure), new(destinations[2], ok, null)]);
        string Available() => string.Join(' ', cluster.DestinationsState.AvailableDestinations.Select(d => d.DestinationId).Order());
    }
}
