namespace UserSvc.Edge.Forwarding;

internal enum EscapedSlashes
{
    /// <summary>They stay as written, and are no separators to the edge.</summary>
    Keep,

    /// <summary>A path with <c>%2F</c> or <c>%5C</c> is refused, 400: for upstreams that would decode it into a separator.</summary>
    Reject,
}

/// <summary>Section <c>Edge:Path</c>: the form of a path, in which it is both routed and forwarded.</summary>
internal sealed class PathOptions
{
    public const string Section = "Edge:Path";

    /// <summary>Whether several slashes in a row count as one. Default true.</summary>
    public bool MergeSlashes { get; set; } = true;

    /// <summary>Default <see cref="EscapedSlashes.Keep"/>.</summary>
    public EscapedSlashes EscapedSlashes { get; set; }
}
