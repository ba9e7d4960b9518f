using System.Buffers;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using UserSvc.Edge.Listeners;
using Yarp.ReverseProxy.Transforms;

namespace UserSvc.Edge.Forwarding;

internal enum EscapedSlashes
{
    /// <summary>They stay as written; the edge does not treat them as separators.</summary>
    Keep,

    /// <summary>A path with <c>%2F</c> or <c>%5C</c> is refused, 400: for upstreams that would decode it into a separator.</summary>
    Reject,
}

/// <summary>Section <c>Edge:Path</c>: the form in which paths are routed and forwarded.</summary>
internal sealed class PathOptions
{
    public const string Section = "Edge:Path";

    /// <summary>Whether several slashes in a row count as one. Default true.</summary>
    public bool MergeSlashes { get; set; } = true;

    /// <summary>Default <see cref="EscapedSlashes.Keep"/>.</summary>
    public EscapedSlashes EscapedSlashes { get; set; }
}

/// <summary>
/// Normalizes the target to the one form that is both routed and forwarded: no scheme and authority, no dot segments (RFC 3986, 6.2.2.3),
/// written <c>..</c> or <c>%2e%2e</c>, and no empty segments. Decodes and encodes nothing else. If routing saw another path than the
/// upstream does, <c>/user/../admin</c> could pass as <c>/user</c>.
/// </summary>
internal sealed class NormalPath(RequestDelegate next, IOptions<PathOptions> options, IProblemDetailsService problems)
{
    // Printable ASCII: Kestrel lets control characters pass. Clients never send a fragment; some servers read a backslash as a slash.
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
            return new Refusal(StatusCodes.Status400BadRequest, "The request's target is malformed.").WriteAsync(context, problems);
        }

        if (absolute || path.ContainsAny(Suspicious))
        {
            if (options.Value.EscapedSlashes == EscapedSlashes.Reject && HasEscapedSlash(path))
            {
                return new Refusal(StatusCodes.Status400BadRequest, "The path has an escaped slash, which is not allowed here.").WriteAsync(context, problems);
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

            // A final dot segment names a folder: /a/.. is /.
            if (i == written.Length - 1)
            {
                segments.Add("");
            }
        }

        // Merge after resolving dots: upstreams let .. take away an empty segment too.
        return "/" + string.Join('/', options.Value.MergeSlashes ? segments.Where((segment, i) => segment.Length > 0 || i == segments.Count - 1) : segments);
    }

    private static int Dots(string segment) => segment.Replace("%2e", ".", StringComparison.OrdinalIgnoreCase) switch
    {
        "." => 1,
        ".." => 2,
        _ => 0,
    };
}

/// <summary>
/// Forwards the target as <see cref="NormalPath"/> left it. YARP decodes and encodes it again, which turns <c>%2F</c> into <c>%252F</c>:
/// the upstream would see a different name than it would without the edge.
/// </summary>
internal sealed class OriginalTarget : RequestTransform
{
    private static readonly UriCreationOptions AsWritten = new() { DangerousDisablePathAndQueryCanonicalization = true };

    public override ValueTask ApplyAsync(RequestTransformContext context)
    {
        var target = context.HttpContext.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;

        // OPTIONS may have an asterisk for a target.
        if (target.StartsWith('/'))
        {
            context.ProxyRequest.RequestUri = new Uri(string.Concat(context.DestinationPrefix.AsSpan().TrimEnd('/'), target), AsWritten);
        }

        return default;
    }
}
