using Microsoft.AspNetCore.Http;

namespace UserSvc.Tests.Edge.Discovery;

public sealed class SdsSourceTests : IAsyncLifetime
{
    private const string Two =
        """{"hosts":[{"ip_address":"10.0.0.2","port":8080,"tags":{"az":"a","canary":false,"load_balancing_weight":50}},{"ip_address":"fd00::1","port":8081}],"service":"usersvc","env":"x"}""";

    private SdsServer _sds = null!;

    public async ValueTask InitializeAsync() => _sds = await SdsServer.StartAsync(Two);

    public ValueTask DisposeAsync() => _sds.DisposeAsync();

    [Fact]
    public async Task Service_AsRegistered_IsAnEndpointForEachHost()
    {
        await using var source = Start();
        await source.PausedAsync();

        Assert.Equal(["10.0.0.2:8080", "[fd00::1]:8081"], source.Known);
        Assert.Equal(["/v1/registration/usersvc"], _sds.Asked);
    }

    [Fact]
    public async Task Service_Polled_IsAskedEvery15SecondsPlusOrMinusAFifth()
    {
        await using var source = Start();
        var pauses = new List<TimeSpan>();
        for (var i = 0; i < 20; i++)
        {
            pauses.Add(await source.PassAsync());
        }

        Assert.All(pauses, p => Assert.InRange(p.TotalSeconds, 12, 18));
        Assert.True(pauses.Distinct().Count() > 1, "The pauses have no jitter.");
    }

    [Fact]
    public async Task Service_WithOtherHostsAtTheNextPoll_HasTheNewHosts()
    {
        await using var source = Start();
        var pause = await source.PausedAsync();

        _sds.AnswerWith("""{"hosts":[{"ip_address":"10.0.0.3","port":8080,"tags":{}}]}""");
        source.Advance(pause);
        await source.PausedAsync();

        Assert.Equal(["10.0.0.3:8080"], source.Known);
    }

    [Theory]
    [InlineData(500, Two, "Response status code does not indicate success: 500 (Internal Server Error).")]
    [InlineData(302, Two, "Response status code does not indicate success: 302 (Found).")]
    [InlineData(200, "", null)]
    [InlineData(200, "<html>", null)]
    [InlineData(200, "[]", null)]
    [InlineData(200, "null", "the answer has no member hosts")]
    [InlineData(200, "{}", "the answer has no member hosts")]
    [InlineData(200, """{"hosts":[]}""", "the answer lists no hosts")]
    [InlineData(200, """{"hosts":[null]}""", "the answer lists a host that is not an IP address and port:  ")]
    [InlineData(200, """{"hosts":[{"ip_address":"10.0.0.9","port":8080},{"ip_address":"usersvc","port":8080}]}""", "the answer lists a host that is not an IP address and port: usersvc 8080")]
    [InlineData(200, """{"hosts":[{"ip_address":"10.0.0.9","port":0}]}""", "the answer lists a host that is not an IP address and port: 10.0.0.9 0")]
    [InlineData(200, """{"hosts":[{"ip_address":"10.0.0.9","port":65536}]}""", "the answer lists a host that is not an IP address and port: 10.0.0.9 65536")]
    [InlineData(200, """{"hosts":[{"ip_address":"10.0.0.9","port":"http"}]}""", null)]
    public async Task BadAnswer_AfterAGoodOne_KeepsTheEndpointsAndIsLoggedOnce(int status, string body, string? reason)
    {
        await using var source = Start();
        var pause = await source.PausedAsync();

        _sds.AnswerWith(body, status);
        source.Advance(pause);
        await source.PassAsync();
        await source.PausedAsync();

        Assert.Equal(["10.0.0.2:8080", "[fd00::1]:8081"], source.Known);
        Assert.Equal(2, source.Failures);
        var log = Assert.Single(source.Log);
        Assert.StartsWith($"Warning: Discovery: {source.Source.Address} fails; its last known 2 endpoints stay in use: {reason}", log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answer_OfEndlessLength_IsAFailure()
    {
        _sds.Answer = async context =>
        {
            while (true)
            {
                await context.Response.WriteAsync(new string(' ', 64 * 1024), context.RequestAborted);
            }
        };
        await using var source = Start();
        await source.PausedAsync();

        Assert.Equal((null, 1), (source.Known, source.Failures));
    }

    [Fact]
    public async Task Answer_WithTooManyHosts_IsAFailure()
    {
        _sds.AnswerWith($$"""{"hosts":[{{string.Join(',', Enumerable.Range(1, 10_001).Select(i => $$"""{"ip_address":"10.0.{{i / 250}}.{{i % 250}}","port":80}"""))}}]}""");
        await using var source = Start();
        await source.PausedAsync();

        Assert.Equal((null, 1), (source.Known, source.Failures));
        Assert.EndsWith("the answer lists more than 10000 hosts", Assert.Single(source.Log), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answer_Missing_IsAFailureAfterTheTimeout()
    {
        _sds.Answer = context => Task.Delay(Timeout.Infinite, context.RequestAborted);
        await using var source = Start(timeout: TimeSpan.FromSeconds(0.2));
        await source.PausedAsync();

        Assert.Equal((null, 1), (source.Known, source.Failures));
    }

    private TestSource Start(TimeSpan? timeout = null) => new($"sds+http://{_sds.Authority}/usersvc", o => o.Sds.Timeout = timeout ?? o.Sds.Timeout);
}
