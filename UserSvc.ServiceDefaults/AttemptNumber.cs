using System.Diagnostics;
using System.Globalization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace UserSvc.ServiceDefaults;

/// <summary>
/// Says on the span and on every log line of a request which attempt of the edge's it was, from the second on:
/// <c>http.request.resend_count</c> and <c>Attempt</c>.
/// </summary>
public static class AttemptNumber
{
    private const string Header = "x-envoy-attempt-count";

    public static void UseAttemptNumber(this WebApplication app) => app.Use(
        next => context => Read(context.Request) is > 1 and var attempt ? RunAsync(next, context, attempt, app.Logger) : next(context));

    private static async Task RunAsync(RequestDelegate next, HttpContext context, int attempt, ILogger logger)
    {
        Activity.Current?.SetTag("http.request.resend_count", attempt - 1);
        using (logger.BeginScope(new KeyValuePair<string, object?>[] { new("Attempt", attempt) }))
        {
            await next(context);
        }
    }

    // One or two digits; anything else does not come from an edge and counts as the first attempt.
    private static int Read(HttpRequest request) =>
        request.Headers.TryGetValue(Header, out var values) && values is [{ Length: 1 or 2 } number]
        && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var attempt) ? attempt : 1;
}
