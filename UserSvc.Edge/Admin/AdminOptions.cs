namespace UserSvc.Edge.Admin;

/// <summary>Section <c>Edge:Admin</c>. The listener itself is the Kestrel endpoint <c>Admin</c>.</summary>
internal sealed class AdminOptions
{
    public const string Section = "Edge:Admin";

    /// <summary>
    /// Names and addresses, without a port, by which the admin listener may be asked for beside those of loopback, such as
    /// <c>edge.internal</c>. Default none: any other Host is 403, so that no web page can reach it by a name of its own.
    /// </summary>
    public string[] Hosts { get; set; } = [];

    public bool IsValid() => Hosts.All(host => Uri.CheckHostName(host) != UriHostNameType.Unknown);
}
