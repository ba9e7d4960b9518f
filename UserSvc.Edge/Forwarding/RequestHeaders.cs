using System.Buffers;
using System.Collections.Frozen;
using UserSvc.Edge.Listeners;
using Yarp.ReverseProxy.Transforms;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Refuses requests that Kestrel accepts but another server may read differently (400 or 501, and the connection closes). Removes headers
/// that end at the edge: those that <c>Connection</c> names (RFC 9110, 7.6.1), <c>Trailer</c>, and from untrusted clients
/// <c>x-envoy-*</c>, <c>X-Forwarded-*</c> and <c>Forwarded</c>.
/// </summary>
internal sealed class RequestHeaders(RequestDelegate next, ForwardedClient client, Via via, IProblemDetailsService problems)
{
    private const string UnknownCoding = "The only supported Transfer-Encoding is chunked.";

    private static readonly SearchValues<char> Token =
        SearchValues.Create("!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~");

    private static readonly SearchValues<char> Controls =
        SearchValues.Create([.. Enumerable.Range(0, ' ').Select(c => (char)c).Where(c => c != '\t'), '\x7f']);

    // Clients must not strip headers an upstream proxy added by naming them in Connection; YARP handles Upgrade.
    private static readonly FrozenSet<string> NeverNominated = FrozenSet.ToFrozenSet(
        ["Host", "Content-Length", "Transfer-Encoding", "Upgrade", "Authorization", "Cookie", "X-Request-Id", "traceparent", "tracestate", "Forwarded", "Via"],
        StringComparer.OrdinalIgnoreCase);

    public Task InvokeAsync(HttpContext context)
    {
        var headers = context.Request.Headers;
        var trusted = client.IsTrusted(context);
        var untrusted = new List<string>();
        if ((ConnectionFault(context.Request) ?? FramingFault(context.Request) ?? HostFault(context.Request) ?? FieldFault(headers, trusted, untrusted)) is { } fault)
        {
            return new Refusal(fault == UnknownCoding ? StatusCodes.Status501NotImplemented : StatusCodes.Status400BadRequest, fault).WriteAsync(context, problems);
        }

        if (MaxForwards.Answer(context, problems) is { } answered)
        {
            return answered;
        }

        foreach (var name in untrusted)
        {
            headers.Remove(name);
        }

        foreach (var connection in headers.Connection)
        {
            RemoveNominated(connection!, headers);
        }

        // The edge does not forward a request's trailers.
        headers.Remove("Trailer");
        via.Append(headers, context.Request.Protocol);
        client.Describe(context, trusted);
        return next(context);
    }

    /// <summary>A request transform: over HTTP/1.1, TE describes one connection only. YARP copies a client's <c>te: trailers</c> there, too.</summary>
    public static ValueTask KeepTeForHttp2(RequestTransformContext context)
    {
        if (context.HttpContext.Request.Headers.TE.Count > 0 && context.ProxyRequest.Version.Major < 2)
        {
            context.ProxyRequest.Headers.Remove("TE");
        }

        return default;
    }

    private static void RemoveNominated(string connection, IHeaderDictionary headers)
    {
        foreach (var part in connection.Split(','))
        {
            // TrimEntries would also take off bytes that Latin-1 reads as spaces.
            var name = part.Trim(' ', '\t');
            if (name.Length > 0 && !NeverNominated.Contains(name) && !IsForwarded(name))
            {
                headers.Remove(name);
            }
        }
    }

    // RFC 9113, 8.2.2. Kestrel refuses the others: Connection, and TE unless it is "trailers".
    private static string? ConnectionFault(HttpRequest request) =>
        HttpProtocol.IsHttp11(request.Protocol) || HttpProtocol.IsHttp10(request.Protocol) ? null
        : request.Headers is { KeepAlive.Count: 0, TransferEncoding.Count: 0, Upgrade.Count: 0 } headers && !headers.ContainsKey("Proxy-Connection") ? null
        : "HTTP/2 does not allow headers that concern one connection.";

    private static string? FramingFault(HttpRequest request) => request.Headers.TransferEncoding is not { Count: > 0 } coding ? null
        // Kestrel moves Content-Length there.
        : request.Headers.ContainsKey("X-Content-Length") ? "The request has both Content-Length and Transfer-Encoding."
        : HttpProtocol.IsHttp10(request.Protocol) ? "An HTTP/1.0 request cannot have Transfer-Encoding."
        // Kestrel decodes the body, so another coding would be lost.
        : coding is [{ } only] && IsChunked(only) ? null
        : coding.ToString().Split(',', StringSplitOptions.TrimEntries) is [.. { Length: > 0 } others, { } last] && IsChunked(last) && !others.Any(c => c.Length == 0 || IsChunked(c)) ? UnknownCoding
        : "Transfer-Encoding is malformed.";

    private static bool IsChunked(string coding) => coding.Equals("chunked", StringComparison.OrdinalIgnoreCase);

    private static string? HostFault(HttpRequest request) => request.Host switch
    {
        { HasValue: true, Port: null or <= 65535 } => null,
        { HasValue: false } when HttpProtocol.IsHttp10(request.Protocol) && request.Headers.Host.Count == 0 => null,
        _ => "The Host header is empty or malformed.",
    };

    private static string? FieldFault(IHeaderDictionary headers, bool trusted, List<string> untrusted)
    {
        foreach (var (name, values) in headers)
        {
            // HTTP/2 pseudo-headers such as :path.
            if (name[0] == ':')
            {
                continue;
            }

            if (name.AsSpan().ContainsAnyExcept(Token))
            {
                return "A header's name is malformed.";
            }

            foreach (var value in values)
            {
                if (value.AsSpan().ContainsAny(Controls))
                {
                    return "A header's value contains a control character.";
                }

                // Over HTTP/1.1 it does not belong to the value; over HTTP/2 it must not be there (RFC 9113, 8.2.1).
                if (value is [' ' or '\t', ..] or [.., ' ' or '\t'])
                {
                    return "A header's value begins or ends with a space.";
                }
            }

            if (IsForwarded(name) ? !trusted || !ForwardedClient.Headers.Contains(name) : !trusted && name.StartsWith("x-envoy-", StringComparison.OrdinalIgnoreCase))
            {
                untrusted.Add(name);
            }
        }

        return null;
    }

    private static bool IsForwarded(string name) =>
        name.StartsWith("X-Forwarded-", StringComparison.OrdinalIgnoreCase) || name.Equals("Forwarded", StringComparison.OrdinalIgnoreCase);
}
