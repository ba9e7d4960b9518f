namespace UserSvc.Tests.Edge;

public sealed class ReadinessTests
{
    private static readonly (string, string) FastProbing = ($"{EdgeHost.Probing}:Interval", "00:00:00.100");

    [Fact]
    public async Task Ready_BeforeTheFirstRoundOfProbesHasEnded_Is503()
    {
        // Accepts connections into its queue and never answers.
        using var silent = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        silent.Start();
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", $"http://{silent.LocalEndpoint}")]);

        var answer = await edge.Health.AskAsync("/health");

        Assert.Equal(NotReady("clusters: destinations are being probed"), answer);
    }

    [Fact]
    public async Task Ready_FromTheFirstHealthyInstanceOn_StaysEvenWithoutAny()
    {
        await using var upstream = await Upstream.StartAsync();
        upstream.Healthy = false;
        await using var edge = await EdgeHost.StartAsync([(upstream.Name, upstream.Address)], FastProbing);
        await Eventually.HoldsAsync(async () => await edge.Health.AskAsync("/health") == NotReady("clusters: no healthy destination in usersvc"));

        upstream.Healthy = true;
        await Eventually.HoldsAsync(async () => await edge.Health.AskAsync("/health") == new Answer(200, "Healthy\n"));
        upstream.Healthy = false;
        await Eventually.HoldsAsync(async () => await edge.Public.AskAsync("/user/alice") == EdgeAnswers.NoInstance);

        Assert.Equal(new Answer(200, "Healthy\n"), await edge.Health.AskAsync("/health"));
    }

    private static Answer NotReady(string reason) => EdgeAnswers.Problem(503, "unavailable", reason);
}
