using System.Diagnostics;
using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace UserSvc.ServiceDefaults;

/// <summary>
/// Gives a recorded server span what the semantic conventions ask for and .NET 10 leaves out, as it fills spans only when they
/// start: a name by route, <c>http.route</c>, <c>http.response.status_code</c> and the error status. May go with .NET 11.
/// </summary>
internal sealed class ServerSpan : IStartupFilter
{
    public Action<IApplicationBuilder> Configure(Action<IApplicationBuilder> next) => app =>
    {
        app.Use(inner => context => Activity.Current is { IsAllDataRequested: true } span ? CompleteAsync(inner, context, span) : inner(context));
        next(app);
    };

    private static async Task CompleteAsync(RequestDelegate inner, HttpContext context, Activity span)
    {
        await inner(context);

        var method = span.GetTagItem("http.request.method") is string known and not "_OTHER" ? known : "HTTP";
        // The error handler takes the endpoint away.
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
