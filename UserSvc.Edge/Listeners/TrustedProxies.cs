using System.Buffers.Binary;
using System.Net;
using Microsoft.Extensions.Options;

namespace UserSvc.Edge.Listeners;

/// <summary>Section <c>Edge</c>: which callers to believe, and what each may take.</summary>
internal sealed class ClientOptions
{
    public const string Section = "Edge";

    /// <summary>
    /// Addresses (<c>10.1.2.3</c>) and networks (<c>10.0.0.0/8</c>, <c>fd00::/8</c>) of the proxies in front of this one. Only they may send
    /// <c>X-Forwarded-For</c>, <c>-Proto</c>, <c>-Host</c> and <c>x-envoy-*</c>; from anyone else these headers are removed. Their
    /// connections are not limited by address. Default none: the edge faces its clients.
    /// </summary>
    public string[] TrustedProxies { get; set; } = [];

    /// <summary>
    /// Whether a client, by address (IPv6: /64), gets only its share of connections, requests in flight and memory for bodies: see
    /// <see cref="FairLimit"/>. Default true; false in a sidecar, whose only client is an edge.
    /// </summary>
    public bool FairShares { get; set; } = true;

    /// <summary>
    /// Whether the caller's sampled flag decides what is recorded of a trace. Default false: any client could decide it. True in a sidecar,
    /// whose only caller is an edge: otherwise each would choose different traces.
    /// </summary>
    public bool TrustSampling { get; set; }

    /// <summary><see cref="TrustSampling"/> for code that runs before options exist. The configuration check refuses other values.</summary>
    public static bool TrustsSampling(IConfiguration configuration) =>
        bool.TryParse(configuration[$"{Section}:{nameof(TrustSampling)}"], out var trusts) && trusts;

    public static IPNetwork? Parse(string proxy) =>
        IPNetwork.TryParse(proxy, out var network) ? network
        : IPAddress.TryParse(proxy, out var address) ? new IPNetwork(address, address.GetAddressBytes().Length * 8)
        : null;
}

/// <summary>The proxies in front of this one.</summary>
internal sealed class TrustedProxies(IOptions<ClientOptions> options)
{
    private readonly IPNetwork[] _networks = [.. options.Value.TrustedProxies.Select(proxy => ClientOptions.Parse(proxy)!.Value)];

    public bool Contain(IPAddress? address)
    {
        if (_networks.Length == 0 || Plain(address) is not { } plain)
        {
            return false;
        }

        foreach (var network in _networks)
        {
            if (network.Contains(plain))
            {
                return true;
            }
        }

        return false;
    }

    /// <returns>
    /// What a client counts by: its address or, in IPv6, its /64, the smallest network that a client gets. Null for a proxy, which stands
    /// for many.
    /// </returns>
    public ulong? ClientKey(IPAddress? address)
    {
        if (address is null || Contain(address))
        {
            return null;
        }

        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out var length);
        return length == 4 ? BinaryPrimitives.ReadUInt32BigEndian(bytes)
            : address.IsIPv4MappedToIPv6 ? BinaryPrimitives.ReadUInt32BigEndian(bytes[12..])
            : BinaryPrimitives.ReadUInt64BigEndian(bytes);
    }

    /// <returns>What the client's share counts by; null if it may take all.</returns>
    public ulong? ShareKey(IPAddress? address) => options.Value.FairShares ? ClientKey(address) : null;

    // A dual-stack socket reports an IPv4 client as ::ffff:10.0.0.1.
    public static IPAddress? Plain(IPAddress? address) => address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address;
}
