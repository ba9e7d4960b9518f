using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Options;

namespace UserSvc.Api.Users;

/// <summary>Section <c>Client</c>: whom to believe about who the client is.</summary>
internal sealed class ClientOptions
{
    /// <summary>
    /// Addresses and networks of the edges and sidecars whose <c>x-envoy-external-address</c> names the client. Default: loopback and the
    /// private networks. A value replaces the default.
    /// </summary>
    public string[]? TrustedProxies { get; set; }

    public IPNetwork?[] ParseProxies() => [.. (TrustedProxies ?? ["127.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "::1", "fc00::/7"]).Select(Parse)];

    private static IPNetwork? Parse(string proxy) =>
        IPNetwork.TryParse(proxy, out var network) ? network
        : IPAddress.TryParse(proxy, out var address) ? new IPNetwork(address, address.GetAddressBytes().Length * 8)
        : null;
}

/// <summary>Who the client is: whom the edge names in <c>x-envoy-external-address</c>, otherwise the peer.</summary>
internal sealed class ClientAddress(IOptions<ClientOptions> options)
{
    private readonly IPNetwork[] _proxies = [.. options.Value.ParseProxies().Select(network => network!.Value)];

    public string Get(HttpContext context) => Find(context)?.ToString() ?? "unknown";

    /// <summary>An IPv4 address, or the /64 of an IPv6 address: a customer has at least a /64 (RFC 6177) and may use any address in it.</summary>
    public string GetNetwork(HttpContext context) => Find(context) is { AddressFamily: AddressFamily.InterNetworkV6 } address
        ? $"{new IPAddress([.. address.GetAddressBytes()[..8], .. new byte[8]])}/64"
        : Get(context);

    private IPAddress? Find(HttpContext context)
    {
        var peer = Plain(context.Connection.RemoteIpAddress);
        return peer is not null && _proxies.Any(proxy => proxy.Contains(peer)) && IPAddress.TryParse(context.Request.Headers["x-envoy-external-address"].ToString(), out var client)
            ? Plain(client)
            : peer;
    }

    // A dual-stack socket reports an IPv4 peer as ::ffff:10.0.0.1.
    private static IPAddress? Plain(IPAddress? address) => address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address;
}
