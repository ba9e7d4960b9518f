using System.Buffers;
using System.Collections.Frozen;
using System.Net;
using Microsoft.Extensions.Options;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Who the client is, to the edge and to upstreams, as Envoy has it with <c>use_remote_address</c>: a stranger is the client itself; a
/// trusted proxy's word is taken, and its own address appended to <c>X-Forwarded-For</c>. The client is the last address in it that is not
/// a trusted proxy's, which whatever the client itself wrote there cannot change.
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

    /// <summary>Sets what upstreams get, and the request's own scheme, host and remote address, by which the edge itself goes.</summary>
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

            // The last is the nearest proxy's own; a client may have written those before it.
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
            // An address, or one with its port: 10.0.0.1:5000, [fd00::1]:5000.
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

    // A socket for both families names an IPv4 client ::ffff:10.0.0.1.
    private static IPAddress? Plain(IPAddress? address) => address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address;
}
