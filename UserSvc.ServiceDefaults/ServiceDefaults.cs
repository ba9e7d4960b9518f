using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace UserSvc.ServiceDefaults;

/// <summary>What every service shares: logs, telemetry, health endpoints, identity, errors and drain.</summary>
public static class ServiceDefaultsExtensions
{
    /// <summary>Tags a health check that decides readiness, <c>GET /health</c>.</summary>
    public const string ReadyTag = "ready";

    /// <param name="builder">The service's builder.</param>
    /// <param name="service">The service's name in telemetry, unless <c>OTEL_SERVICE_NAME</c> sets another.</param>
    /// <param name="trustRemoteSampling">Whether a caller's sampled flag decides if this service records a trace. False at the edge, unless it trusts its clients.</param>
    public static IHostApplicationBuilder AddServiceDefaults(this IHostApplicationBuilder builder, string service, bool trustRemoteSampling = true)
    {
        builder.AddConsoleLog();
        builder.AddTelemetry(service, trustRemoteSampling);
        builder.AddDrain();
        builder.Services.AddCheckedOptions<InstanceOptions>(InstanceOptions.Section);
        builder.Services.AddSingleton<Instance>();
        builder.Services.AddSingleton<ServiceExit>();
        builder.Services.AddProblemJson();
        builder.Services.AddHealthChecks().AddCheck<DrainHealthCheck>("drain", tags: [ReadyTag]);
        // A failing check would be logged on every probe. The prober sees it anyway, and whatever caused it has logged that once.
        builder.Logging.AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);
        // ServiceProgram prints start failures itself; don't log them twice.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.Critical);
        return builder;
    }

    /// <summary>Completes server spans, and asks clients to close their connections while draining. Comes first in the pipeline.</summary>
    public static void UseServiceDefaults(this WebApplication app)
    {
        if (Telemetry.IsEnabled(app.Configuration))
        {
            app.UseServerSpan();
        }

        app.UseCloseWhileDraining();
    }

    /// <summary>
    /// <c>GET /alive</c> answers while the process can answer at all. <c>GET /health</c> is readiness: 503 during start and from the
    /// moment the service drains. Neither is measured or traced.
    /// </summary>
    public static void MapHealthEndpoints(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapHealthChecks("/alive", new() { Predicate = _ => false, ResponseWriter = WriteReportAsync }).OnlyRead().DisableHttpMetrics();
        endpoints.MapReadiness("/health");
    }

    /// <summary>Maps readiness to another path, such as <c>/ready</c>.</summary>
    public static void MapReadiness(this IEndpointRouteBuilder endpoints, string path) =>
        endpoints.MapHealthChecks(path, new() { Predicate = c => c.Tags.Contains(ReadyTag), ResponseWriter = WriteReportAsync }).OnlyRead().DisableHttpMetrics();

    /// <summary>Endpoints that only read answer GET and HEAD (RFC 9110, 9.1); other methods get 405.</summary>
    public static TBuilder OnlyRead<TBuilder>(this TBuilder endpoints)
        where TBuilder : IEndpointConventionBuilder
    {
        // Of several metadata of a kind, routing reads the last.
        endpoints.Add(endpoint => endpoint.Metadata.Add(new HttpMethodMetadata([HttpMethods.Get, HttpMethods.Head])));
        return endpoints;
    }

    private static Task WriteReportAsync(HttpContext context, HealthReport report)
    {
        if (report.Status != HealthStatus.Unhealthy)
        {
            return context.Response.WriteAsync($"{report.Status}\n");
        }

        var failed = report.Entries.Where(e => e.Value.Status == HealthStatus.Unhealthy).Select(e => $"{e.Key}: {e.Value.Description}");
        return TypedResults.Problem(string.Join("; ", failed), statusCode: StatusCodes.Status503ServiceUnavailable).ExecuteAsync(context);
    }
}
