using System.Diagnostics;
using System.Globalization;
using Microsoft.AspNetCore.Http.Extensions;
using Yarp.ReverseProxy.Forwarder;

namespace UserSvc.Edge.Resilience;

/// <summary>A span for each attempt of a recorded request, by the semantic conventions for HTTP clients.</summary>
internal static class UpstreamSpan
{
    private static readonly ActivitySource Source = new("UserSvc.Edge");

    /// <returns>Null, and at no cost, for a request that is not recorded.</returns>
    public static Activity? Start(HttpContext context, string destination, int resends)
    {
        var method = Method(context);
        if (Activity.Current is not { Recorded: true } || Source.CreateActivity(method is "_OTHER" ? "HTTP" : method, ActivityKind.Client) is not { } span)
        {
            return null;
        }

        var upstream = new Uri(destination);
        var request = context.Request;
        span.SetTag("http.request.method", method);
        span.SetTag("server.address", upstream.Host);
        span.SetTag("server.port", upstream.Port);
        // A query may hold secrets.
        span.SetTag("url.full", UriHelper.BuildAbsolute(upstream.Scheme, new(upstream.Authority), request.PathBase, request.Path, request.QueryString.HasValue ? new("?*") : default));
        if (resends > 0)
        {
            span.SetTag("http.request.resend_count", resends);
        }

        return span.Start();
    }

    public static void Complete(Activity span, HttpContext context, ForwarderError error)
    {
        var failure = error is ForwarderError.None ? null : error.ToString();
        if (failure is null)
        {
            var status = context.Response.StatusCode;
            span.SetTag("http.response.status_code", status);
            failure = status >= StatusCodes.Status400BadRequest ? status.ToString(CultureInfo.InvariantCulture) : null;
        }

        if (failure is not null)
        {
            span.SetTag("error.type", failure);
            span.SetStatus(ActivityStatusCode.Error);
        }
    }

    private static string Method(HttpContext context) =>
        context.Request.Method is "GET" or "HEAD" or "PUT" or "POST" or "DELETE" or "PATCH" or "OPTIONS" ? context.Request.Method : "_OTHER";
}
