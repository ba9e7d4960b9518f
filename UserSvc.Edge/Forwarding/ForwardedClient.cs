using System.Buffers;
using System.Collections.Frozen;
using System.Net;
using Microsoft.Extensions.Options;

namespace UserSvc.Edge.Forwarding;

/// <summary>Section <c>Edge</c>: which callers to believe.</summary>
internal sealed class ClientOptions
{
    public const string Section = "Edge";

    /// <summary>
    /// Addresses (<c>10.1.2.3</c>) and networks (<c>10.0.0.0/8</c>, <c>fd00::/8</c>) of the proxies in front of this one. Only they may send
    /// <c>X-Forwarded-For</c>, <c>-Proto</c>, <c>-Host</c> and <c>x-envoy-*</c>; from anyone else these headers are removed. Default none:
    /// the edge faces its clients.
    /// </summary>
    public string[] TrustedProxies { get; set; } = [];

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

/// <summary>
/// Decides who the client is, for the edge and for upstreams, like Envoy's <c>use_remote_address</c>. An untrusted peer is the client. A
/// trusted proxy is believed, and its address appended to <c>X-Forwarded-For</c>: the client is the last address there that is not a
/// trusted proxy's, and nothing that the client wrote can change it.
/// </summary>
internal sealed class ForwardedClient(IOptions<ClientOptions> options)
{
    private const string For = "X-Forwarded-For";
    private const string Host = "X-Forwarded-Host";
    private const string Proto = "X-Forwarded-Proto";

    public static readonly FrozenSet<string> Headers = FrozenSet.ToFrozenSet([For, Host, Proto], StringComparer.OrdinalIgnoreCase);

    private static readonly SearchValues<char> HostCharacters =
        SearchValues.Create("-.0123456789:ABCDEFGHIJKLMNOPQRSTUVWXYZ[]_abcdefghijklmnopqrstuvwxyz");

    private readonly IPNetwork[] _proxies = [.. options.Value.TrustedProxies.Select(proxy => ClientOptions.Parse(proxy)!.Value)];

    public bool IsTrusted(HttpContext context) => IsTrusted(context.Connection.RemoteIpAddress);

    /// <summary>Sets the headers for upstreams, and for the edge itself the request's scheme, host and remote address.</summary>
    public void Describe(HttpContext context, bool trusted)
    {
        var (request, headers) = (context.Request, context.Request.Headers);
        var peer = Plain(context.Connection.RemoteIpAddress);
        var path = peer?.ToString();
        if (trusted)
        {
            if (headers[For] is { Count: > 0 } said)
            {
                path = $"{said}, {peer}";
                context.Connection.RemoteIpAddress = ClientOf(said.ToString(), peer!);
            }

            // Only the last value is the nearest proxy's; the client may have written the others.
            if (headers[Proto].ToString().Split(',')[^1].Trim().ToLowerInvariant() is ("http" or "https") and var proto)
            {
                request.Scheme = proto;
            }

            if (headers[Host].ToString() is { Length: > 0 } host && !host.AsSpan().ContainsAnyExcept(HostCharacters))
            {
                request.Host = new(host);
            }
        }

        headers[For] = path;
        headers[Proto] = request.Scheme;
        headers[Host] = request.Host.HasValue ? request.Host.Value : default;
    }

    private IPAddress ClientOf(string said, IPAddress peer)
    {
        var client = peer;
        var rest = said.AsSpan();
        while (!rest.IsEmpty && IsTrusted(client))
        {
            var comma = rest.LastIndexOf(',');
            // With or without a port: 10.0.0.1, 10.0.0.1:5000, [fd00::1]:5000.
            if (!IPEndPoint.TryParse(rest[(comma + 1)..].Trim(), out var hop))
            {
                break;
            }

            client = Plain(hop.Address)!;
            rest = rest[..Math.Max(comma, 0)];
        }

        return client;
    }

    private bool IsTrusted(IPAddress? address)
    {
        if (_proxies.Length == 0 || Plain(address) is not { } plain)
        {
            return false;
        }

        foreach (var proxy in _proxies)
        {
            if (proxy.Contains(plain))
            {
                return true;
            }
        }

        return false;
    }

    // A dual-stack socket reports an IPv4 client as ::ffff:10.0.0.1.
    public static IPAddress? Plain(IPAddress? address) => address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address;
}
