using System.Net.Http.Headers;
using Yarp.ReverseProxy.Transforms;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// The counterpart of <see cref="RequestHeaders"/>. HttpClient accepts an answer of ambiguous length; here it is the upstream's failure
/// (502). Removes the headers that <c>Connection</c> names (RFC 9110, 7.6.1), of which YARP removes only those it knows, and adds
/// <c>Via</c>.
/// </summary>
internal sealed class AnswerHeaders(Via via) : ResponseTransform
{
    public override ValueTask ApplyAsync(ResponseTransformContext context)
    {
        if (context.ProxyResponse is { } response)
        {
            RequireClearLength(response);
            if (response.Headers.NonValidated.TryGetValues("Connection", out var connection))
            {
                RemoveNominated(connection, context.HttpContext.Response.Headers);
            }

            via.Append(context.HttpContext.Response.Headers, response.Version);
        }

        return default;
    }

    // YARP turns an exception into 502 and disposes of the answer, and with it of the connection, which has unread bytes.
    private static void RequireClearLength(HttpResponseMessage response)
    {
        var hasLength = response.Content.Headers.NonValidated.TryGetValues("Content-Length", out var length);
        if (response.Headers.NonValidated.TryGetValues("Transfer-Encoding", out var coding)
            ? hasLength || coding.Count != 1 || !coding.ToString().Equals("chunked", StringComparison.OrdinalIgnoreCase)
            : hasLength && (length.Count != 1 || length.ToString().AsSpan().ContainsAnyExceptInRange('0', '9')))
        {
            throw new HttpRequestException("The answer's length is ambiguous.");
        }
    }

    private static void RemoveNominated(HeaderStringValues connection, IHeaderDictionary headers)
    {
        foreach (var value in connection)
        {
            foreach (var name in value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            {
                // Headers that describe the body go wherever the body goes.
                if (!name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase))
                {
                    headers.Remove(name);
                }
            }
        }
    }
}
