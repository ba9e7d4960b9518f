using System.Collections.Frozen;
using System.Net;
using Microsoft.Extensions.Options;
using UserSvc.Edge.Listeners;

namespace UserSvc.Edge.Admin;

/// <summary>
/// Keeps other sites' pages, in the browser of whoever operates the edge, away from the admin listener: by its Host a page whose name was
/// pointed here (DNS rebinding), by Origin and Sec-Fetch-Site one that sends requests across (CSRF). A link from elsewhere may be followed.
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
        // As it was sent: a trusted proxy's X-Forwarded-Host is somebody else's word.
        !IsOurs(new HostString(request.Headers.Host.ToString()).Host) ? "The admin listener is not served under this Host; Edge:Admin:Hosts names more."
        : request.Headers.Origin is { Count: > 0 } origin && origin != $"{request.Scheme}://{request.Headers.Host}" ? "The request comes from another origin."
        : IsForeign(request.Headers["Sec-Fetch-Site"].ToString()) && !IsLink(request) ? "The request comes from another site."
        : null;

    private bool IsOurs(string host) =>
        host.Equals("localhost", StringComparison.OrdinalIgnoreCase)
        || (IPAddress.TryParse(host.Trim('[', ']'), out var address) && IPAddress.IsLoopback(address))
        || _hosts.Contains(host.Trim('[', ']'));

    // same-site is another port of this machine, too.
    private static bool IsForeign(string site) => site is not ("" or "same-origin" or "none");

    private static bool IsLink(HttpRequest request) =>
        HttpMethods.IsGet(request.Method) && request.Headers["Sec-Fetch-Mode"] == "navigate" && request.Headers["Sec-Fetch-Dest"] == "document";
}
