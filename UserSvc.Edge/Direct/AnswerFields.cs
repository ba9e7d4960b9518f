using System.Collections.Frozen;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;

namespace UserSvc.Edge.Direct;

/// <summary>Passes an answer's fields on to the client, without those that end here.</summary>
internal static class AnswerFields
{
    /// <summary>Fields that end at a proxy (RFC 9110, 7.6.1), those of YARP's forwarder.</summary>
    public static readonly FrozenSet<string> HopByHop = FrozenSet.ToFrozenSet(
        [
            "Connection", "Transfer-Encoding", "Keep-Alive", "Upgrade", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authentication-Info", "Proxy-Authorization",
            "Proxy-Features", "Proxy-Instruction", "Security-Scheme", "ALPN", "Close", "HTTP2-Settings", "Upgrade-Insecure-Requests", "TE", "Alt-Svc",
        ],
        StringComparer.OrdinalIgnoreCase);

    public static void Copy(AnswerHead head, HttpContext context)
    {
        var headers = context.Response.Headers;
        string? connection = null;
        foreach (var field in head.Fields)
        {
            if (!HopByHop.Contains(field.Name))
            {
                Add(headers, field.Name, field.Value);
            }
            else if (field.Is("Connection"))
            {
                connection = connection is null ? field.Value : $"{connection},{field.Value}";
            }
        }

        RemoveNominated(connection, headers);

        if (head.Status == StatusCodes.Status204NoContent)
        {
            // It has no body, whatever it says.
            headers.ContentLength = null;
        }

        if (head.Reason is { } reason && !HttpProtocol.IsHttp2(context.Request.Protocol))
        {
            context.Features.GetRequiredFeature<IHttpResponseFeature>().ReasonPhrase = reason;
        }
    }

    /// <summary>Removes the fields that <c>Connection</c> names, except those that describe the body: they go wherever the body goes.</summary>
    public static void RemoveNominated(string? connection, IHeaderDictionary headers)
    {
        if (connection is null || connection.Equals("keep-alive", StringComparison.OrdinalIgnoreCase))
        {
            return;
        }

        foreach (var name in connection.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (!name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase))
            {
                headers.Remove(name);
            }
        }
    }

    public static void CopyTrailer(AnswerField field, IHeaderDictionary? trailers)
    {
        if (trailers is { IsReadOnly: false } && !HopByHop.Contains(field.Name) && !field.Is("Content-Length"))
        {
            Add(trailers, field.Name, field.Value);
        }
    }

    private static void Add(IHeaderDictionary headers, string name, string value)
    {
        if (!headers.TryGetValue(name, out var before))
        {
            headers[name] = value;
        }
        // The edge's own policy wins.
        else if (!name.Equals("Strict-Transport-Security", StringComparison.OrdinalIgnoreCase))
        {
            headers[name] = StringValues.Concat(before, value);
        }
    }
}
