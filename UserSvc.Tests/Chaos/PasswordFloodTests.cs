namespace UserSvc.Tests.Chaos;

[Collection(typeof(OneByOne))]
public sealed class PasswordFloodTests
{
    // Three instances hash on a thread each, beside their load on two shared cores at the least: below this, a factor of two is a time slice
    // or two more. On a machine with cores enough the factor alone decides.
    private static readonly TimeSpan Floor = TimeSpan.FromMilliseconds(100);

    [Fact]
    public async Task Flood_Of64ClientsWithPasswords_LeavesReadsQuickAndEveryInstanceInPlace()
    {
        // Passwords as dear as they are shipped.
        await using var system = await ChaosSystem.StartAsync(settings: []);
        await using var load = await Load.StartAsync(() => system.Edges[0].Address, writers: 0);
        Outcome[] verifications = [];

        await load.DuringAsync(async () => verifications = await load.FloodAsync(clients: 64, TimeSpan.FromSeconds(10)), quietReads: 8_000);
        var report = await load.EndAsync(minPuts: 0);

        report.Publish(system.Scenario);
        var limit = Floor > report.P99Before * 2 ? Floor : report.P99Before * 2;
        Assert.Equal([], report.FailedGets);
        Assert.Equal([], verifications.Where(v => v.Failed));
        Assert.True(report.P99During <= limit, $"The p99 of reads was {report.P99During} in the flood and {report.P99Before} before it.");
        Assert.Equal(["usersvc-1", "usersvc-2", "usersvc-3"], report.AnsweredDuring);
        Assert.Equal([], system.Edges[0].Process.Log.Split('\n').Where(l => l.Contains("Unhealthy", StringComparison.Ordinal)));
        await Promise.HoldsAsync(system, load, report);
    }
}
