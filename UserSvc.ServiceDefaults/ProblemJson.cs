using System.Text.Encodings.Web;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.DependencyInjection;

namespace UserSvc.ServiceDefaults;

/// <summary>
/// A refusal that is no fault of the request: 503 with Retry-After. <paramref name="overloaded"/> marks it with Envoy's
/// <c>x-envoy-overloaded</c>: a healthy instance saying no, which a proxy neither retries nor counts against it.
/// </summary>
public sealed class UnavailableException(string message, bool overloaded = false, Exception? inner = null) : Exception(message, inner)
{
    public bool Overloaded { get; } = overloaded;
}

/// <summary>
/// Writes every error as RFC 9457 problem JSON with this system's members beside it: <c>ok</c>, <c>error</c>, <c>hostname</c>,
/// <c>resolvedname</c>. It writes whatever the request's Accept says (RFC 9110, 15.5.7 allows that), where ASP.NET's own writer
/// would leave the body empty.
/// </summary>
internal sealed class ProblemJsonWriter(Instance instance) : IProblemDetailsWriter
{
    public bool CanWrite(ProblemDetailsContext context) => true;

    public async ValueTask WriteAsync(ProblemDetailsContext context)
    {
        var response = context.HttpContext.Response;
        var problem = context.ProblemDetails;
        switch (context.Exception)
        {
            case BadHttpRequestException bad:
                problem.Status = response.StatusCode = bad.StatusCode;
                problem.Detail ??= BadRequest.Explain(bad);
                break;
            case UnavailableException unavailable:
                problem.Detail ??= unavailable.Message;
                response.MarkUnavailable(unavailable.Overloaded);
                break;
        }

        problem.Status ??= response.StatusCode;
        // With this type the title is the status's own phrase (RFC 9457, 4.2.1).
        problem.Type = "about:blank";
        problem.Title = ReasonPhrases.GetReasonPhrase(problem.Status.Value);
        problem.Detail ??= Explain(problem.Status.Value);
        problem.Extensions["ok"] = false;
        problem.Extensions["error"] = problem.Detail;
        problem.Extensions["hostname"] = instance.Name;
        problem.Extensions["resolvedname"] = instance.Address;
        response.StatusCode = problem.Status.Value;
        // Without a token it is the request's own, and a client that has left is no error.
        await response.WriteAsJsonAsync(problem, problem.GetType(), options: null, "application/problem+json");
    }

    private static string Explain(int status) => status switch
    {
        StatusCodes.Status404NotFound => "There is nothing at this path.",
        StatusCodes.Status405MethodNotAllowed => "This path does not answer that method; Allow names those it does.",
        StatusCodes.Status413PayloadTooLarge => "The request body is too large.",
        StatusCodes.Status415UnsupportedMediaType => "The Content-Type must be application/json, in UTF-8.",
        StatusCodes.Status500InternalServerError => "The service made a mistake; it has been logged.",
        StatusCodes.Status504GatewayTimeout => "The service did not answer in time.",
        _ => $"{ReasonPhrases.GetReasonPhrase(status)}.",
    };
}

/// <summary>Error answers, the same in every service and environment.</summary>
public static class ProblemJson
{
    /// <summary>Envoy's mark of an answer that refuses because of overload.</summary>
    public const string OverloadedHeader = "x-envoy-overloaded";

    internal static void AddProblemJson(this IServiceCollection services)
    {
        services.AddSingleton<IProblemDetailsWriter, ProblemJsonWriter>();
        services.AddProblemDetails();
        // Names are people's and sentences have apostrophes: written as they are. The escapes it leaves out are for JSON inside HTML.
        services.ConfigureHttpJsonOptions(json => json.SerializerOptions.Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping);
        services.Configure<RouteHandlerOptions>(o => o.ThrowOnBadRequest = true);
    }

    /// <summary>Exceptions, and statuses without a body, become problem JSON. Stands first in the pipeline.</summary>
    public static void UseProblemJson(this IApplicationBuilder app)
    {
        app.UseExceptionProblems();
        app.UseStatusCodePages();
    }

    /// <summary>Exceptions alone, for a service that knows which of its statuses need a body.</summary>
    public static void UseExceptionProblems(this IApplicationBuilder app) =>
        app.UseExceptionHandler(new ExceptionHandlerOptions
        {
            StatusCodeSelector = e => e switch
            {
                BadHttpRequestException bad => bad.StatusCode,
                UnavailableException => StatusCodes.Status503ServiceUnavailable,
                _ => StatusCodes.Status500InternalServerError,
            },
            // A client's mistake and an outage that its own component has logged are no news for the error log.
            SuppressDiagnosticsCallback = c => c.Exception is BadHttpRequestException or UnavailableException,
        });

    /// <summary>Marks an answer as 503 that may be tried again: Retry-After, and <c>x-envoy-overloaded</c> where it is overload.</summary>
    public static void MarkUnavailable(this HttpResponse response, bool overloaded)
    {
        response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        response.Headers.RetryAfter = "1";
        if (overloaded)
        {
            response.Headers[OverloadedHeader] = "true";
        }
    }
}
