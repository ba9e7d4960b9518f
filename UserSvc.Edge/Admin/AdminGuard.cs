using System.Collections.Frozen;
using System.Net;
using Microsoft.Extensions.Options;
using UserSvc.Edge.Listeners;

namespace UserSvc.Edge.Admin;

/// <summary>Section <c>Edge:Admin</c>. The listener itself is the Kestrel endpoint <c>Admin</c>.</summary>
internal sealed class AdminOptions
{
    public const string Section = "Edge:Admin";

    /// <summary>
    /// The host names and addresses, without a port, that the admin listener accepts in addition to loopback, such as <c>edge.internal</c>.
    /// Default none. It answers 403 to any other Host, so that no web page can reach it under a name the page's author controls.
    /// </summary>
    public string[] Hosts { get; set; } = [];

    public bool IsValid() => Hosts.All(host => Uri.CheckHostName(host) != UriHostNameType.Unknown);
}

/// <summary>
/// Protects the admin listener from other sites' pages in an operator's browser. The Host check stops a page whose name was pointed here
/// (DNS rebinding), the Origin and Sec-Fetch-Site checks stop cross-site requests (CSRF). Links from other sites still work.
/// </summary>
internal sealed class AdminGuard(RequestDelegate next, IOptions<AdminOptions> options, IProblemDetailsService problems)
{
    private readonly FrozenSet<string> _hosts = options.Value.Hosts.Select(host => host.Trim('[', ']')).ToFrozenSet(StringComparer.OrdinalIgnoreCase);

    public Task InvokeAsync(HttpContext context)
    {
        var headers = context.Response.Headers;
        headers.ContentSecurityPolicy = "default-src 'self'; frame-ancestors 'none'";
        headers.XFrameOptions = "DENY";
        headers.XContentTypeOptions = "nosniff";
        headers["Referrer-Policy"] = "no-referrer";
        return Fault(context.Request) is { } fault ? new Refusal(StatusCodes.Status403Forbidden, fault).WriteAsync(context, problems) : next(context);
    }

    private string? Fault(HttpRequest request) =>
        // The header as sent: request.Host may come from a trusted proxy's X-Forwarded-Host.
        !IsOurs(new HostString(request.Headers.Host.ToString()).Host) ? "The admin listener does not answer to this Host. Add it to Edge:Admin:Hosts."
        : request.Headers.Origin is { Count: > 0 } origin && origin != $"{request.Scheme}://{request.Headers.Host}" ? "The request comes from another origin."
        : IsForeign(request.Headers["Sec-Fetch-Site"].ToString()) && !IsLink(request) ? "The request comes from another site."
        : null;

    private bool IsOurs(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address))
        || _hosts.Contains(host.Trim('[', ']'));

    // same-site includes other ports of this machine.
    private static bool IsForeign(string site) => site is not ("" or "same-origin" or "none");

    private static bool IsLink(HttpRequest request) =>
        HttpMethods.IsGet(request.Method) && request.Headers["Sec-Fetch-Mode"] == "navigate" && request.Headers["Sec-Fetch-Dest"] == "document";
}
