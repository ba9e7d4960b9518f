using System.Net.Http.Headers;
using Yarp.ReverseProxy.Transforms;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// The counterpart of <see cref="RequestHeaders"/>: an answer of an ambiguous length, which HttpClient would take, is the upstream's failure (502), and
/// headers that <c>Connection</c> nominates (RFC 9110, 7.6.1) end here; YARP removes only those it knows.
/// </summary>
internal sealed class AnswerHeaders : ResponseTransform
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
        }

        return default;
    }

    // YARP makes 502 of an exception and disposes of the answer, and with it of a connection that has not been read to its end.
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
                // What describes the body is for whoever gets it.
                if (!name.StartsWith("Content-", StringComparison.OrdinalIgnoreCase))
                {
                    headers.Remove(name);
                }
            }
        }
    }
}
