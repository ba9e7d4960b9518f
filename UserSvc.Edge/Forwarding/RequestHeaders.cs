using System.Buffers;
using System.Collections.Frozen;
using UserSvc.Edge.Listeners;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Refuses requests that Kestrel accepts but another server may read differently (400, and the connection closes). Removes headers that
/// end at the edge: those that <c>Connection</c> names (RFC 9110, 7.6.1), <c>Trailer</c>, and from untrusted clients <c>x-envoy-*</c>,
/// <c>X-Forwarded-*</c> and <c>Forwarded</c>.
/// </summary>
internal sealed class RequestHeaders(RequestDelegate next, ForwardedClient client, IProblemDetailsService problems)
{
    private static readonly SearchValues<char> Token =
        SearchValues.Create("!#$%&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ^_`abcdefghijklmnopqrstuvwxyz|~");

    private static readonly SearchValues<char> Controls =
        SearchValues.Create([.. Enumerable.Range(0, ' ').Select(c => (char)c).Where(c => c != '\t'), '\x7f']);

    // Clients must not strip headers an upstream proxy added by naming them in Connection; YARP handles Upgrade.
    private static readonly FrozenSet<string> NeverNominated = FrozenSet.ToFrozenSet(
        ["Host", "Content-Length", "Transfer-Encoding", "Upgrade", "Authorization", "Cookie", "X-Request-Id", "traceparent", "tracestate", "Forwarded"],
        StringComparer.OrdinalIgnoreCase);

    public Task InvokeAsync(HttpContext context)
    {
        var headers = context.Request.Headers;
        var trusted = client.IsTrusted(context);
        var untrusted = new List<string>();
        if ((FramingFault(context.Request) ?? HostFault(context.Request) ?? FieldFault(headers, trusted, untrusted)) is { } fault)
        {
            return new Refusal(StatusCodes.Status400BadRequest, fault).WriteAsync(context, problems);
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
        client.Describe(context, trusted);
        return next(context);
    }

    private static void RemoveNominated(string connection, IHeaderDictionary headers)
    {
        foreach (var name in connection.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (!NeverNominated.Contains(name) && !IsForwarded(name))
            {
                headers.Remove(name);
            }
        }
    }

    private static string? FramingFault(HttpRequest request) => request.Headers.TransferEncoding is not { Count: > 0 } coding ? null
        // Kestrel moves Content-Length there.
        : request.Headers.ContainsKey("X-Content-Length") ? "The request has both Content-Length and Transfer-Encoding."
        : HttpProtocol.IsHttp10(request.Protocol) ? "An HTTP/1.0 request cannot have Transfer-Encoding."
        // Kestrel decodes the body, so another coding would be lost.
        : coding is not [{ } only] || !only.Equals("chunked", StringComparison.OrdinalIgnoreCase) ? "The only supported Transfer-Encoding is chunked, once."
        : null;

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
