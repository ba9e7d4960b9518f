using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace UserSvc.ServiceDefaults;

/// <summary>
/// Traces, metrics and logs over OTLP, on when <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set. The framework's own sources carry the
/// semantic conventions' attributes since .NET 10, so no instrumentation library stands in the request's way.
/// </summary>
internal static class Telemetry
{
    public static bool IsEnabled(IConfiguration configuration) => !string.IsNullOrEmpty(configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]);

    public static void AddTelemetry(this IHostApplicationBuilder builder, string service, bool trustRemoteSampling)
    {
        if (!IsEnabled(builder.Configuration))
        {
            return;
        }

        builder.Logging.AddOpenTelemetry(logging =>
        {
            logging.IncludeFormattedMessage = true;
            logging.IncludeScopes = true;
        });
        builder.Services.AddOpenTelemetry()
            .UseOtlpExporter()
            // The last one wins: OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES, read once more after the service's own attributes.
            .ConfigureResource(resource => resource
                .AddDetector(services => new ServiceResource(service, services.GetRequiredService<Instance>(), builder.Configuration))
                .AddEnvironmentVariableDetector())
            .WithMetrics(metrics =>
            {
                metrics.AddMeter("Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime", "UserSvc.*");
                if (!builder.Environment.IsDevelopment())
                {
                    // Two tagged updates a request for a figure that the duration's rate gives as well. Locally it is what people
                    // look for in the dashboard.
                    metrics.AddView("http.server.active_requests", MetricStreamConfiguration.Drop);
                }
            })
            .WithTracing(tracing =>
            {
                tracing.AddSource("Microsoft.AspNetCore", "System.Net.Http", "UserSvc.*");
                tracing.SetSampler(new ServiceSampler(builder.Configuration, trustRemoteSampling));
            });
    }
}
