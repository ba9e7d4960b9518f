using System.Net;
using Microsoft.AspNetCore.Http;
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
    public void Client_BehindTrustedProxies_IsTheLastAddressThatIsNotAProxys(string peer, string forwardedFor, string client)
    {
        var forwarded = new ForwardedClient(new(Options.Create(new ClientOptions { TrustedProxies = ["10.0.0.0/8", "fd00::/8"] })));
        var context = new DefaultHttpContext { Connection = { RemoteIpAddress = IPAddress.Parse(peer) } };
        context.Request.Headers["X-Forwarded-For"] = forwardedFor;

        forwarded.Describe(context, forwarded.IsTrusted(context));

        Assert.Equal(IPAddress.Parse(client), context.Connection.RemoteIpAddress);
    }
}
