using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Options;
using UserSvc.Edge.Limits;
using UserSvc.Edge.Listeners;

namespace UserSvc.Tests.Edge.Limits;

public sealed class RateLimitTests : IAsyncLifetime
{
    private const string Login = "Edge:RateLimits:login";

    // An hour: nothing is given back during a test.
    private static readonly (string, string)[] Named = [("ReverseProxy:Routes:user:RateLimiterPolicy", "login"), ($"{Login}:Window", "01:00:00")];

    private static readonly string[] Fields = ["RateLimit", "RateLimit-Policy", "Retry-After", "x-envoy-ratelimited"];

    private Upstream _upstream = null!;

    public async ValueTask InitializeAsync() => _upstream = await Upstream.StartAsync();

    public ValueTask DisposeAsync() => _upstream.DisposeAsync();

    [Theory]
    [InlineData("TokenBucket", "1800")]
    [InlineData("SlidingWindow", "3600")]
    public async Task Requests_OverTheLimitOfTheirRoute_AreRefusedWithTheTimeToWait(string algorithm, string wait)
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], [.. Named, ($"{Login}:Permits", "2"), ($"{Login}:Algorithm", algorithm)]);

        var within = (await GetStatusAsync(edge), await GetStatusAsync(edge));
        using var refused = await edge.Public.GetAsync("/user/alice", TestContext.Current.CancellationToken);

        Assert.Equal((200, 200), within);
        Assert.Equal(EdgeAnswers.Problem(429, "rate_limited", "The rate limit login is exceeded."), await Answer.ReadAsync(refused));
        Assert.Equal([$"\"login\";r=0;t={wait}", "\"login\";q=2;w=3600", wait, "true"], Told(refused));
        Assert.Equal(2, _upstream.Requests.Count);
        Assert.Equal(Counted("login", enabled: 3, enforced: 1, ok: 2, over: 1), await CountedAsync(edge, "login"));
    }

    [Theory]
    [InlineData("Address", "9.9.9.9", "9.9.9.9", 429)]
    [InlineData("Address", "9.9.9.9", "9.9.9.8", 200)]
    [InlineData("Address", "2001:db8::1", "2001:db8::2", 429)]
    [InlineData("Address", "2001:db8:0:1::1", "2001:db8:0:2::1", 200)]
    // Only a trusted proxy is known.
    [InlineData("Address", "", "", 200)]
    [InlineData("Header:X-Key", "9.9.9.9 a", "9.9.9.8 a", 429)]
    [InlineData("Header:X-Key", "9.9.9.9 a", "9.9.9.9 b", 200)]
    [InlineData("Header:X-Key", "9.9.9.9", "9.9.9.9", 429)]
    [InlineData("Header:X-Key", "9.9.9.9", "9.9.9.8", 200)]
    [InlineData("All", "9.9.9.9 a", "9.9.9.8 b", 429)]
    [InlineData("All", "", "", 429)]
    public async Task SecondRequest_OfThisClient_CountsWithTheFirstIfThePartitionSaysSo(string partition, string first, string second, int status)
    {
        await using var edge = await EdgeHost.ReadyAsync(
            [_upstream], [.. Named, ($"{Login}:Permits", "1"), ($"{Login}:Partition", partition), ("Edge:TrustedProxies:0", "127.0.0.1")]);

        var statuses = (await GetStatusAsync(edge, first), await GetStatusAsync(edge, second));

        Assert.Equal((200, status), statuses);
    }

    [Fact]
    public async Task Shadow_OverTheLimit_OnlyCounts()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], [.. Named, ($"{Login}:Permits", "1"), ($"{Login}:Shadow", "true")]);

        var statuses = (await GetStatusAsync(edge), await GetStatusAsync(edge), await GetStatusAsync(edge));

        Assert.Equal((200, 200, 200), statuses);
        Assert.Equal(Counted("login", enabled: 3, enforced: 0, ok: 1, over: 2), await CountedAsync(edge, "login"));
    }

    [Fact]
    public void Keys_BeyondTheMostPartitions_ShareOneUntilAnotherIsForgotten()
    {
        var proxies = new TrustedProxies(Options.Create(new ClientOptions()));
        var limit = new RequestLimit(
            "login", shadow: false, context => PartitionKey.ForHeader(context, "X-Key", proxies),
            () => new TokenBucketRateLimiter(new() { TokenLimit = 1, TokensPerPeriod = 1, ReplenishmentPeriod = TimeSpan.FromHours(1), AutoReplenishment = false }),
            new("", "", "", ""), null!, maxPartitions: 2);

        var first = Create("a");
        Create("b");
        var shared = new[] { KeyOf("c"), KeyOf("d") };
        var known = KeyOf("b");
        first.Dispose();
        var later = KeyOf("c");

        Assert.Equal([new(PartitionKey.Kind.Shared), new(PartitionKey.Kind.Shared)], shared);
        Assert.Equal((PartitionKey.Kind.Header, PartitionKey.Kind.Header), (known.Of, later.Of));

        PartitionKey KeyOf(string value) => limit.GetPartition(Context(value)).PartitionKey;

        RateLimiter Create(string value) => limit.GetPartition(Context(value)) is var partition ? partition.Factory(partition.PartitionKey) : null!;

        static DefaultHttpContext Context(string value) => new() { Request = { Headers = { ["X-Key"] = value } } };
    }

    private static string Counted(string limit, int enabled, int enforced, int ok, int over) =>
        $"{limit}.http_local_rate_limit.enabled: {enabled}\n{limit}.http_local_rate_limit.enforced: {enforced}\n{limit}.http_local_rate_limit.ok: {ok}\n{limit}.http_local_rate_limit.rate_limited: {over}\n";

    private static IEnumerable<string> Told(HttpResponseMessage refused) => Fields.Select(name => refused.Headers.GetValues(name).Single());

    private static async Task<string> CountedAsync(EdgeHost edge, string limit) => (await edge.Admin.AskAsync($"/stats?filter=^{limit}[.]")).Body;

    // The client is an address and, after a space, its key; empty means that the proxy names nobody.
    private static async Task<HttpResponseMessage> SendAsync(EdgeHost edge, string client = "")
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/user/alice");
        if (client.Split(' ') is [{ Length: > 0 } address, .. var key])
        {
            request.Headers.Add("X-Forwarded-For", address);
            request.Headers.Add("X-Key", key);
        }

        return await edge.Public.SendAsync(request, TestContext.Current.CancellationToken);
    }

    private static async Task<int> GetStatusAsync(EdgeHost edge, string client = "")
    {
        using var response = await SendAsync(edge, client);
        return (int)response.StatusCode;
    }
}
