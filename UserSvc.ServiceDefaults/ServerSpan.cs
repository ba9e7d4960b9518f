using System.Diagnostics;
using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace UserSvc.ServiceDefaults;

/// <summary>
/// Completes a recorded server span as the semantic conventions require: a name with the route, <c>http.route</c>,
/// <c>http.response.status_code</c> and the error status. .NET 10 fills spans only when they start; .NET 11 may make this obsolete.
/// </summary>
internal static class ServerSpan
{
    public static void UseServerSpan(this IApplicationBuilder app) => app.Use(
        next => context => Activity.Current is { IsAllDataRequested: true } span ? CompleteAsync(next, context, span) : next(context));

    private static async Task CompleteAsync(RequestDelegate next, HttpContext context, Activity span)
    {
        await next(context);

        var method = span.GetTagItem("http.request.method") is string known and not "_OTHER" ? known : "HTTP";
        // The exception handler clears the endpoint.
        var endpoint = context.GetEndpoint() ?? context.Features.Get<IExceptionHandlerFeature>()?.Endpoint;
        span.DisplayName = method;
        if (endpoint is RouteEndpoint { RoutePattern.RawText: { } route })
        {
            span.DisplayName = $"{method} {route}";
            span.SetTag("http.route", route);
        }

        var status = context.Response.StatusCode;
        span.SetTag("http.response.status_code", status);
        if (status >= StatusCodes.Status500InternalServerError)
        {
            span.SetTag("error.type", status.ToString(CultureInfo.InvariantCulture));
            span.SetStatus(ActivityStatusCode.Error);
        }
    }
}
