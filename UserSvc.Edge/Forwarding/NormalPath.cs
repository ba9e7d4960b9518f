using System.Buffers;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Brings the target into the one form that is then routed and forwarded: no scheme and authority, no dot segments (RFC 3986, 6.2.2.3), whether
/// written <c>..</c> or <c>%2e%2e</c>, and no empty segments. Nothing else is decoded or encoded. Were routing to see another path than
/// the upstream, <c>/user/../admin</c> could pass as <c>/user</c>.
/// </summary>
internal sealed class NormalPath(RequestDelegate next, IOptions<PathOptions> options, IProblemDetailsService problems)
{
    // Beyond printable ASCII Kestrel lets control characters pass. A fragment is never sent, and a backslash is a slash to some.
    private static readonly SearchValues<char> Allowed =
        SearchValues.Create([.. Enumerable.Range('!', '~' - '!' + 1).Select(c => (char)c).Where(c => c != '#')]);

    private static readonly SearchValues<string> Suspicious = SearchValues.Create(["//", "/.", "%2", "%5", "\\"], StringComparison.Ordinal);

    public Task InvokeAsync(HttpContext context)
    {
        var request = context.Features.GetRequiredFeature<IHttpRequestFeature>();
        var target = request.RawTarget.AsSpan();
        var absolute = !target.StartsWith('/') && target.Contains("://", StringComparison.Ordinal);
        var authority = default(ReadOnlySpan<char>);
        if (absolute)
        {
            target = target[(target.IndexOf("://", StringComparison.Ordinal) + 3)..];
            var end = target.IndexOfAny('/', '?');
            authority = end < 0 ? target : target[..end];
            target = end < 0 ? [] : target[end..];
        }

        var query = target.IndexOf('?') is >= 0 and var at ? target[at..] : [];
        var path = target[..(target.Length - query.Length)];
        // Kestrel refuses %00 itself, but not after a scheme.
        if (target.ContainsAnyExcept(Allowed) || authority.Contains('@') || path.Contains('\\') || (absolute && path.Contains("%00", StringComparison.Ordinal)))
        {
            return problems.RefuseAsync(context, "The request's target is malformed.");
        }

        if (absolute || path.ContainsAny(Suspicious))
        {
            if (options.Value.EscapedSlashes == EscapedSlashes.Reject && HasEscapedSlash(path))
            {
                return problems.RefuseAsync(context, "The path has an escaped slash, which is not allowed here.");
            }

            var normal = Normalize(path);
            request.RawTarget = string.Concat(normal, query);
            request.Path = PathString.FromUriComponent(normal);
        }

        return next(context);
    }

    private static bool HasEscapedSlash(ReadOnlySpan<char> path) =>
        path.Contains("%2f", StringComparison.OrdinalIgnoreCase) || path.Contains("%5c", StringComparison.OrdinalIgnoreCase);

    private string Normalize(ReadOnlySpan<char> path)
    {
        if (!path.StartsWith('/'))
        {
            // OPTIONS *, or an absolute target without a path.
            return path.IsEmpty ? "/" : path.ToString();
        }

        var segments = new List<string>();
        var written = path[1..].ToString().Split('/');
        for (var i = 0; i < written.Length; i++)
        {
            var dots = Dots(written[i]);
            if (dots == 0)
            {
                segments.Add(written[i]);
                continue;
            }

            if (dots == 2 && segments.Count > 0)
            {
                segments.RemoveAt(segments.Count - 1);
            }

            // /a/.. is the folder /, not the file.
            if (i == written.Length - 1)
            {
                segments.Add("");
            }
        }

        // After the dots: an empty segment is one that .. takes away, as upstreams see it.
        return "/" + string.Join('/', options.Value.MergeSlashes ? segments.Where((segment, i) => segment.Length > 0 || i == segments.Count - 1) : segments);
    }

    private static int Dots(string segment) => segment.Replace("%2e", ".", StringComparison.OrdinalIgnoreCase) switch
    {
        "." => 1,
        ".." => 2,
        _ => 0,
    };
}
