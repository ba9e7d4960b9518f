namespace UserSvc.Tests.Edge.Discovery;

public sealed class RegistrationTests
{
    private static readonly (string, string) NotProbed = ($"{EdgeHost.Probing}:Enabled", "false");

    [Fact]
    public async Task Registration_OfACluster_ListsItsDestinationsWithAnAddress()
    {
        await using var edge = await EdgeHost.StartAsync(
            [("usersvc-3", "http://[fd00::1]:8080"), ("usersvc-1", "http://10.0.0.2:8080"), ("usersvc-2", "http://10.0.0.1"), ("usersvc-4", "http://usersvc:8080"), ("usersvc-5", "http://localhost:8081")], NotProbed);

        Assert.Equal(
            new Answer(200, """{"hosts":[{"ip_address":"10.0.0.1","port":80,"tags":{}},{"ip_address":"10.0.0.2","port":8080,"tags":{}},{"ip_address":"127.0.0.1","port":8081,"tags":{}},{"ip_address":"fd00::1","port":8080,"tags":{}}]}"""),
            await edge.Health.AskAsync("/v1/registration/usersvc"));
    }

    [Fact]
    public async Task Registration_OfAnUnknownService_IsAnEmptyList()
    {
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", "http://10.0.0.1:8080")], NotProbed);

        Assert.Equal(new Answer(200, """{"hosts":[]}"""), await edge.Health.AskAsync("/v1/registration/other-svc"));
    }

    [Theory]
    [InlineData("user%20svc")]
    [InlineData("user%2fsvc")]
    [InlineData("us%C3%A9r")]
    [InlineData("usersvc%0a")]
    [InlineData("a23456789012345678901234567890123456789012345678901234567890abcd")]
    public async Task Registration_UnderABadName_Is400(string name)
    {
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", "http://10.0.0.1:8080")], NotProbed);

        Assert.Equal(
            EdgeAnswers.Problem(400, "request_invalid", "A service's name is 1 to 63 letters, digits, dots, hyphens and underscores."),
            await edge.Health.AskAsync($"/v1/registration/{name}"));
    }

    [Fact]
    public async Task Registration_OnThePublicPort_IsNotThere()
    {
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", "http://10.0.0.1:8080")], NotProbed);

        Assert.Equal(EdgeAnswers.NotFound, await edge.Public.AskAsync("/v1/registration/usersvc"));
    }

    [Fact]
    public async Task Edge_FedByAnother_FollowsItsDestinations()
    {
        await using var one = await Upstream.StartAsync("usersvc-1");
        await using var two = await Upstream.StartAsync("usersvc-2");
        await using var sds = await SdsServer.StartAsync(Hosts(one));
        (string, string)[] fast = [("Edge:Discovery:Sds:Interval", "00:00:00.100")];
        await using var first = await EdgeHost.StartAsync([("sds", $"sds+http://{sds.Authority}/usersvc")], fast);
        await using var second = await EdgeHost.StartAsync([("edge", $"sds+http://{first.Health.BaseAddress!.Authority}/usersvc")], fast);
        await Eventually.HoldsAsync(async () => (await second.Health.AskAsync("/ready")).Status == 200);
        var before = await second.Public.AskAsync("/user/alice");

        sds.AnswerWith(Hosts(two));
        await Eventually.HoldsAsync(async () => await second.Public.AskAsync("/user/alice") != before);

        Assert.Equal((new Answer(200, "usersvc-1"), new Answer(200, "usersvc-2")), (before, await second.Public.AskAsync("/user/alice")));
        Assert.Equal(new Answer(200, Hosts(two)), await second.Health.AskAsync("/v1/registration/usersvc"));
    }

    private static string Hosts(Upstream upstream) => $$$"""{"hosts":[{"ip_address":"127.0.0.1","port":{{{new Uri(upstream.Address).Port}}},"tags":{}}]}""";
}
