using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.Options;
using IPNetwork = System.Net.IPNetwork;

namespace UserSvc.Api.Users;

/// <summary>Section <c>Client</c>: whom to believe about who the client is.</summary>
internal sealed class ClientOptions
{
    /// <summary>
    /// Addresses and networks of the proxies whose <c>X-Forwarded-For</c> counts. Default: loopback and the private networks, where edges and
    /// sidecars are. If a load balancer in front of the edge ends connections, list its networks, too. A value replaces the default.
    /// </summary>
    public string[]? TrustedProxies { get; set; }

    public IPNetwork?[] Networks => [.. (TrustedProxies ?? ["127.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "::1", "fc00::/7"]).Select(Parse)];

    private static IPNetwork? Parse(string proxy) =>
        IPNetwork.TryParse(proxy, out var network) ? network
        : IPAddress.TryParse(proxy, out var address) ? new IPNetwork(address, address.GetAddressBytes().Length * 8)
        : null;
}

/// <summary>
/// Finds the client behind proxies: the last address in <c>X-Forwarded-For</c> that is not a trusted proxy's. Asked only when the address is
/// needed, so that a read does not pay for it; that is why ASP.NET's middleware is not in the pipeline.
/// </summary>
internal sealed class ClientAddress(IOptions<ClientOptions> options, ILoggerFactory loggers)
{
    private readonly ForwardedHeadersMiddleware _forwarded = new(_ => Task.CompletedTask, loggers, Options.Create(Trusting(options.Value)));

    public string Get(HttpContext context) => Find(context)?.ToString() ?? "unknown";

    /// <summary>An IPv4 address, or the /64 of an IPv6 address: a customer has at least a /64 (RFC 6177) and may use any address in it.</summary>
    public string GetNetwork(HttpContext context) => Find(context) is { AddressFamily: AddressFamily.InterNetworkV6 } address
        ? $"{new IPAddress([.. address.GetAddressBytes()[..8], .. new byte[8]])}/64"
        : Get(context);

    private IPAddress? Find(HttpContext context)
    {
        _forwarded.ApplyForwarders(context);
        var address = context.Connection.RemoteIpAddress;
        // A dual-stack socket reports an IPv4 peer as ::ffff:10.0.0.1.
        return address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address;
    }

    private static ForwardedHeadersOptions Trusting(ClientOptions client)
    {
        var options = new ForwardedHeadersOptions { ForwardedHeaders = ForwardedHeaders.XForwardedFor, ForwardLimit = null };
        options.KnownProxies.Clear();
        options.KnownIPNetworks.Clear();
        foreach (var network in client.Networks)
        {
            options.KnownIPNetworks.Add(network!.Value);
        }

        return options;
    }
}
