using System.Net;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using UserSvc.Edge.Forwarding;
using UserSvc.Edge.Listeners;

namespace UserSvc.Tests.Edge;

public sealed class ForwardedClientTests
{
    [Theory]
    // An untrusted client is not believed.
    [InlineData("9.9.9.9", "1.1.1.1", "9.9.9.9")]
    // A load balancer at 10.0.0.1, one and two proxies deep, whatever the client wrote before.
    [InlineData("10.0.0.1", "9.9.9.9", "9.9.9.9")]
    [InlineData("10.0.0.1", "6.6.6.6, 10.6.6.6, 9.9.9.9", "9.9.9.9")]
    [InlineData("10.0.0.1", "6.6.6.6, 9.9.9.9, 10.0.0.2", "9.9.9.9")]
    [InlineData("::ffff:10.0.0.1", "9.9.9.9:5000", "9.9.9.9")]
    [InlineData("fd00::1", "[2001:db8::9]:5000,fd00::2", "2001:db8::9")]
    // Only proxies: the first is as far as is known.
    [InlineData("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3")]
    [InlineData("10.0.0.1", "unknown", "10.0.0.1")]
    [InlineData("10.0.0.1", "9.9.9.9, unknown, 10.0.0.2", "10.0.0.2")]
    [InlineData("10.0.0.1", "", "10.0.0.1")]
    public void Client_BehindTrustedProxies_IsTheLastAddressThatIsNotAProxys(string peer, string forwardedFor, string client) =>
        Assert.Equal(client, Find("Edge", peer, forwardedFor, external: "6.6.6.6"));

    [Theory]
    // The edge, at 10.0.0.1, knows better which addresses in X-Forwarded-For are proxies.
    [InlineData("10.0.0.1", "9.9.9.9", "9.9.9.9")]
    [InlineData("::ffff:10.0.0.1", "2001:db8::9", "2001:db8::9")]
    [InlineData("10.0.0.1", "10.0.0.9", "10.0.0.9")]
    [InlineData("10.0.0.1", "", "35.191.0.1")]
    [InlineData("10.0.0.1", "alice", "35.191.0.1")]
    [InlineData("8.8.8.8", "9.9.9.9", "8.8.8.8")]
    public void Client_BehindASidecar_IsTheOneThatATrustedEdgeNames(string peer, string external, string client) =>
        Assert.Equal(client, Find("Sidecar", peer, "9.9.9.9, 35.191.0.1", external));

    // What upstreams are told, which is what the edge itself believes.
    private static string Find(string mode, string peer, string forwardedFor, string external)
    {
        var forwarded = new ForwardedClient(
            new(Options.Create(new ClientOptions { TrustedProxies = ["10.0.0.0/8", "fd00::/8"] })),
            new ConfigurationBuilder().AddInMemoryCollection([new("Edge:Mode", mode)]).Build());
        var context = new DefaultHttpContext { Connection = { RemoteIpAddress = IPAddress.Parse(peer) } };
        context.Request.Headers["X-Forwarded-For"] = forwardedFor;
        context.Request.Headers["x-envoy-external-address"] = external;

        forwarded.Describe(context, forwarded.IsTrusted(context));

        Assert.Equal(context.Request.Headers["x-envoy-external-address"], $"{context.Connection.RemoteIpAddress}");
        return $"{context.Connection.RemoteIpAddress}";
    }
}
