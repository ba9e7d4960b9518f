using UserSvc.Tests.Edge;
using UserSvc.Tests.Edge.Sidecar;

namespace UserSvc.Tests.EndToEnd;

/// <summary>Clients behind a load balancer, an edge and perhaps a sidecar: the instance tells them apart.</summary>
public sealed class ClientAddressTests(PostgresFixture postgres)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Guesses_ByOneClientOfALoadBalancer_SlowNobodyElse(bool behindSidecar)
    {
        await using var api = new ApiInstance(await postgres.CreateDatabaseAsync(), ("PasswordThrottle:Pause", "01:00:00"));
        var instance = await api.ReadyAsync();
        await using var sidecar = behindSidecar ? await SidecarHost.ReadyAsync($"{instance.BaseAddress}") : null;
        await using var edge = await EdgeHost.StartAsync(
            [("usersvc-1", $"{sidecar?.Address("Http") ?? instance.BaseAddress!}")], ("Edge:TrustedProxies:0", "127.0.0.1"), ("Edge:TrustedProxies:1", "35.191.0.0/16"));
        await Eventually.HoldsAsync(async () => (await edge.Public.AskAsync("/user/health")).Status == 200);

        var statuses = new List<int>();
        // The first six are one customer, who has a /64.
        foreach (var client in (string[])["2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8::4", "2001:db8::5", "2001:db8::6", "2001:db8:0:1::1"])
        {
            statuses.Add(await GuessAsync(client));
        }

        Assert.Equal([401, 401, 401, 401, 401, 429, 401], statuses);

        // The load balancer appends the client's address and its own, and passes on everything else.
        async Task<int> GuessAsync(string client)
        {
            using var request = new HttpRequestMessage(HttpMethod.Post, "/user/alice/verify")
            {
                Content = UserRequests.Json(new { password = "a wrong password" }),
                Headers = { { "X-Forwarded-For", $"6.6.6.6, {client}, 35.191.0.1" }, { "x-envoy-external-address", "6.6.6.6" } },
            };
            return (await edge.Public.AnswerAsync(request)).Status;
        }
    }
}
