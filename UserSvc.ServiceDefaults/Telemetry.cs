using System.Reflection;
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
/// Traces, metrics and logs over OTLP, when <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> is set. Since .NET 10 the framework's own sources carry
/// the attributes of the semantic conventions, so requests pass through no instrumentation library.
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
            // The last detector wins, so OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES override the service's attributes.
            .ConfigureResource(resource => resource
                .AddDetector(services => new ServiceResource(service, services.GetRequiredService<Instance>(), builder.Configuration))
                .AddEnvironmentVariableDetector())
            .WithMetrics(metrics =>
            {
                metrics.AddMeter("Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime", "UserSvc.*");
                if (!builder.Environment.IsDevelopment())
                {
                    // It costs two tagged updates per request and says little that the rate of request durations does not. Locally, people
                    // look for it in the dashboard.
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

/// <summary>
/// Identifies the exporter: the service, its build and its instance, and in Kubernetes the pod, when the manifest sets <c>POD_NAME</c>,
/// <c>POD_NAMESPACE</c> and <c>NODE_NAME</c>.
/// </summary>
internal sealed class ServiceResource(string service, Instance instance, IConfiguration configuration) : IResourceDetector
{
    // With the commit: every build is 1.0.0. This assembly has the version of the services, which are built together.
    private static readonly string Version =
        typeof(ServiceResource).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    public Resource Detect()
    {
        (string Attribute, string? Value)[] attributes =
        [
            ("service.name", service),
            ("service.version", Version),
            ("service.instance.id", instance.Name),
            ("k8s.pod.name", configuration["POD_NAME"]),
            ("k8s.namespace.name", configuration["POD_NAMESPACE"]),
            ("k8s.node.name", configuration["NODE_NAME"]),
        ];
        return new(attributes.Where(a => !string.IsNullOrEmpty(a.Value)).Select(a => KeyValuePair.Create(a.Attribute, (object)a.Value!)));
    }
}
