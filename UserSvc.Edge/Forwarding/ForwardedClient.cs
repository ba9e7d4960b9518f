using System.Buffers;
using System.Collections.Frozen;
using System.Net;
using UserSvc.Edge.Configuration;
using UserSvc.Edge.Listeners;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Decides who the client is, for the edge and for upstreams, like Envoy's <c>use_remote_address</c>. An untrusted peer is the client. A
/// trusted proxy is believed, and its address appended to <c>X-Forwarded-For</c>: the client is the last address there that is not a
/// trusted proxy's, and nothing that the client wrote can change it. Upstreams get its address in <c>x-envoy-external-address</c>, so that
/// they need not know the proxies in front of the edge.
/// </summary>
internal sealed class ForwardedClient(TrustedProxies proxies, IConfiguration configuration)
{
    private const string Client = "x-envoy-external-address";
    private const string For = "X-Forwarded-For";
    private const string Host = "X-Forwarded-Host";
    private const string Proto = "X-Forwarded-Proto";

    public static readonly FrozenSet<string> Headers = FrozenSet.ToFrozenSet([For, Host, Proto], StringComparer.OrdinalIgnoreCase);

    private static readonly SearchValues<char> HostCharacters =
        SearchValues.Create("-.0123456789:ABCDEFGHIJKLMNOPQRSTUVWXYZ[]_abcdefghijklmnopqrstuvwxyz");

    private readonly bool _isSidecar = configuration.IsSidecar();

    public bool IsTrusted(HttpContext context) => proxies.Contain(context.Connection.RemoteIpAddress);

    /// <summary>Sets the headers for upstreams, and for the edge itself the request's scheme, host and remote address.</summary>
    public void Describe(HttpContext context, bool trusted)
    {
        var (request, headers) = (context.Request, context.Request.Headers);
        var peer = TrustedProxies.Plain(context.Connection.RemoteIpAddress);
        var client = peer;
        var path = peer?.ToString();
        if (trusted)
        {
            if (headers[For] is { Count: > 0 } said)
            {
                path = $"{said}, {peer}";
                client = ClientOf(said.ToString(), peer!);
            }

            // Only an edge sets this itself; a load balancer passes on what the client wrote.
            if (_isSidecar && IPAddress.TryParse(headers[Client].ToString(), out var found))
            {
                client = found;
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

        context.Connection.RemoteIpAddress = client;
        headers[Client] = client?.ToString();
        headers[For] = path;
        headers[Proto] = request.Scheme;
        headers[Host] = request.Host.HasValue ? request.Host.Value : default;
    }

    private IPAddress ClientOf(string said, IPAddress peer)
    {
        var client = peer;
        var rest = said.AsSpan();
        while (!rest.IsEmpty && proxies.Contain(client))
        {
            var comma = rest.LastIndexOf(',');
            // With or without a port: 10.0.0.1, 10.0.0.1:5000, [fd00::1]:5000.
            if (!IPEndPoint.TryParse(rest[(comma + 1)..].Trim(), out var hop))
            {
                break;
            }

            client = TrustedProxies.Plain(hop.Address)!;
            rest = rest[..Math.Max(comma, 0)];
        }

        return client;
    }
}
