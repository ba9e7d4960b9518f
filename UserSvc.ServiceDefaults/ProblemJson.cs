using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Json;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;

namespace UserSvc.ServiceDefaults;

/// <summary>
/// Refuses a request that is not at fault: 503 with Retry-After. <paramref name="overloaded"/> adds Envoy's <c>x-envoy-overloaded</c>:
/// the instance is healthy, so a proxy neither retries the request nor counts the refusal against the instance.
/// </summary>
public sealed class UnavailableException(string message, bool overloaded = false, Exception? inner = null) : Exception(message, inner)
{
    public bool Overloaded { get; } = overloaded;
}

/// <summary>
/// Writes every error as RFC 9457 problem JSON with our members <c>code</c>, <c>ok</c>, <c>error</c>, <c>hostname</c> and
/// <c>resolvedname</c>. It ignores Accept, as RFC 9110, 15.5.7 allows; for an Accept without JSON, ASP.NET's writer would leave the body empty.
/// </summary>
internal sealed class ProblemJsonWriter(Instance instance, IOptions<JsonOptions> json) : IProblemDetailsWriter
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
                problem.Detail ??= Explain(bad);
                break;
            case UnavailableException unavailable:
                problem.Detail ??= unavailable.Message;
                response.MarkUnavailable(unavailable.Overloaded);
                break;
        }

        problem.Status ??= response.StatusCode;
        // With about:blank the title is the status's reason phrase (RFC 9457, 4.2.1).
        problem.Type = "about:blank";
        problem.Title = ReasonPhrases.GetReasonPhrase(problem.Status.Value);
        problem.Detail ??= Explain(problem.Status.Value);
        problem.Extensions.TryAdd(ProblemCode.Member, GetCode(response, problem.Status.Value).Name);
        problem.Extensions["ok"] = false;
        problem.Extensions["error"] = problem.Detail;
        problem.Extensions["hostname"] = instance.Name;
        problem.Extensions["resolvedname"] = instance.Address;
        response.StatusCode = problem.Status.Value;
        // The whole body first, so that the answer has a Content-Length.
        var body = JsonSerializer.SerializeToUtf8Bytes(problem, problem.GetType(), json.Value.SerializerOptions);
        response.ContentType = "application/problem+json";
        response.Headers.XContentTypeOptions = "nosniff";
        response.ContentLength = body.Length;
        // Without a token: a write to a client that has gone does nothing, and does not throw.
        await response.Body.WriteAsync(body);
    }

    private static ProblemCode GetCode(HttpResponse response, int status) =>
        response.Headers.ContainsKey(ProblemJson.OverloadedHeader) ? ProblemCode.Overloaded : ProblemCode.FromStatus(status);

    private static string Explain(int status) => status switch
    {
        StatusCodes.Status404NotFound => "There is nothing at this path.",
        StatusCodes.Status405MethodNotAllowed => "This path does not support the method; see the Allow header.",
        StatusCodes.Status413PayloadTooLarge => "The request body is too large.",
        StatusCodes.Status415UnsupportedMediaType => "The Content-Type must be application/json, in UTF-8.",
        StatusCodes.Status500InternalServerError => "An internal error occurred and was logged.",
        StatusCodes.Status504GatewayTimeout => "The service did not answer in time.",
        _ => $"{ReasonPhrases.GetReasonPhrase(status)}.",
    };

    // Never the exception's text, which names types of this program.
    private static string? Explain(BadHttpRequestException exception) => exception switch
    {
        { StatusCode: StatusCodes.Status408RequestTimeout } => "The request body arrived too slowly.",
        { InnerException: JsonException json } => Explain(json),
        { StatusCode: StatusCodes.Status400BadRequest } => "The request's body or a parameter is missing or malformed.",
        _ => null,
    };

    // Path is "$", "$.password", or null for input that is not JSON.
    private static string Explain(JsonException json) => json.Path is { Length: > 2 } path && path.StartsWith("$.", StringComparison.Ordinal)
        ? $"The field {path[2..]} is malformed, has the wrong type or appears twice."
        : "The request body is not a JSON object.";
}

/// <summary>Error answers, the same in every service and environment.</summary>
public static class ProblemJson
{
    /// <summary>Marks an answer as a refusal because of overload; the name is Envoy's.</summary>
    public const string OverloadedHeader = "x-envoy-overloaded";

    internal static void AddProblemJson(this IServiceCollection services)
    {
        services.AddSingleton<IProblemDetailsWriter, ProblemJsonWriter>();
        services.AddProblemDetails();
        // Leaves apostrophes and letters unescaped; only JSON inside HTML needs those escapes.
        services.ConfigureHttpJsonOptions(json => json.SerializerOptions.Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping);
        services.Configure<RouteHandlerOptions>(o => o.ThrowOnBadRequest = true);
    }

    /// <summary>Turns exceptions, and statuses without a body, into problem JSON.</summary>
    public static void UseProblemJson(this IApplicationBuilder app)
    {
        app.UseExceptionProblems();
        app.UseStatusProblems();
    }

    /// <summary>Turns only exceptions into problem JSON, for a service that decides itself which statuses need a body.</summary>
    public static void UseExceptionProblems(this IApplicationBuilder app) =>
        app.UseExceptionHandler(new ExceptionHandlerOptions
        {
            StatusCodeSelector = e => e switch
            {
                BadHttpRequestException bad => bad.StatusCode,
                UnavailableException => StatusCodes.Status503ServiceUnavailable,
                _ => StatusCodes.Status500InternalServerError,
            },
            // Not logged as errors: a client's mistake, and an outage that its component has logged.
            SuppressDiagnosticsCallback = c => c.Exception is BadHttpRequestException or UnavailableException,
        });

    /// <summary>Turns statuses without a body into problem JSON; OPTIONS gets the methods of the path, or of <c>*</c> nothing in particular (RFC 9110, 9.3.7).</summary>
    public static void UseStatusProblems(this IApplicationBuilder app)
    {
        var problems = app.ApplicationServices.GetRequiredService<IProblemDetailsService>();
        app.UseStatusCodePages(status =>
        {
            var (request, response) = (status.HttpContext.Request, status.HttpContext.Response);
            if (HttpMethods.IsOptions(request.Method) && (response.StatusCode is StatusCodes.Status405MethodNotAllowed || !request.Path.HasValue))
            {
                response.StatusCode = StatusCodes.Status204NoContent;
                return Task.CompletedTask;
            }

            return problems.WriteAsync(new() { HttpContext = status.HttpContext }).AsTask();
        });
    }

    /// <summary>Makes an answer a 503 with Retry-After, and with <c>x-envoy-overloaded</c> when it is due to overload.</summary>
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
