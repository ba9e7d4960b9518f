using System.Text;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http.HttpResults;
using UserSvc.Edge.Discovery;
using UserSvc.Edge.Listeners;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Admin;

/// <summary>The admin endpoints, in Envoy's paths and shapes, and the page.</summary>
internal static class AdminExtensions
{
    private const string Help = """
        admin commands are:
          /: the page
          /alive: whether the process answers
          /clusters: clusters and their destinations (?format=json)
          /config_dump: the running configuration, without secrets
          /drain_listeners (POST): close the public listeners (?graceful)
          /events: the page's data, as server-sent events
          /failures: the last 50 failures in the access log, the newest first (?route=name, ?flag=UF)
          /health: readiness, with the reason
          /healthcheck/fail (POST): make the edge unready
          /healthcheck/ok (POST): make it ready again
          /help: this list
          /ready: readiness
          /server_info: version and state
          /stats: all figures (?filter=regex, ?usedonly, ?format=json, ?format=prometheus)
          /stats/prometheus: all figures, for Prometheus
          /v1/registration/{service}: the hosts of a cluster

        """;

    public static void AddAdmin(this IHostApplicationBuilder builder)
    {
        builder.Services.AddCheckedOptions<AdminOptions>(AdminOptions.Section)
            .Validate(o => o.IsValid(), $"{AdminOptions.Section}:Hosts must be names or addresses without a port, such as edge.internal");
        builder.Services.AddSingleton(FailuresEndpoint.TraceUrl);
        builder.Services.AddSingleton<FailuresEndpoint>();
        builder.Services.AddSingleton<EdgeStats>();
        builder.Services.AddHostedService<EdgeMetrics>();
        builder.Services.AddSingleton<Overview>();
        builder.Services.AddSingleton<EventsEndpoint>();
        builder.Services.AddSingleton<PageFiles>();
        builder.Services.AddHealthChecks().AddCheck<OperatorHealthCheck>("operator", tags: [ServiceDefaultsExtensions.ReadyTag]);
    }

    public static void MapAdmin(this WebApplication app)
    {
        // Starts the uptime.
        app.Services.GetRequiredService<ServerState>();

        var observed = app.MapGroup("").ServedOn(Listener.Health, Listener.Admin).OnlyRead().DisableHttpMetrics();
        observed.MapHealthEndpoints();
        observed.MapRegistration();
        observed.MapGet("/ready", ServerEndpoints.GetReady).WithName("Ready").WithSummary("Envoy's readiness");
        observed.MapGet("/stats/prometheus", StatsEndpoints.GetPrometheus).WithName("Prometheus").WithSummary("All figures, for Prometheus");

        var admin = app.MapGroup("").ServedOn(Listener.Admin).OnlyRead().DisableHttpMetrics();
        admin.MapGet("/", PageFiles.GetPage).WithName("Page").WithSummary("The page");
        admin.MapGet("/page/{**file}", PageFiles.GetFile).WithName("PageFile").WithSummary("A file of the page");
        admin.MapGet("/events", EventsEndpoint.Get).WithName("Events").WithSummary("The page's data, as server-sent events");
        admin.MapGet("/failures", FailuresEndpoint.Get).WithName("Failures").WithSummary("The last failures in the access log");
        admin.MapGet("/help", () => TypedResults.Text(Help)).WithName("Help").WithSummary("The admin paths");
        admin.MapGet("/server_info", ServerEndpoints.GetInfo).WithName("ServerInfo").WithSummary("Version, state, uptime");
        admin.MapGet("/clusters", ClustersEndpoint.Get).WithName("Clusters").WithSummary("Clusters and their destinations");
        admin.MapGet("/stats", StatsEndpoints.Get).WithName("Stats").WithSummary("All figures");
        admin.MapGet("/config_dump", ConfigDumpEndpoint.Get).WithName("ConfigDump").WithSummary("The running configuration, without secrets");

        var switches = app.MapGroup("").ServedOn(Listener.Admin).DisableHttpMetrics();
        switches.MapPost("/healthcheck/fail", ServerEndpoints.PostHealthCheckFail).WithName("HealthCheckFail").WithSummary("Makes the edge unready");
        switches.MapPost("/healthcheck/ok", ServerEndpoints.PostHealthCheckOk).WithName("HealthCheckOk").WithSummary("Makes the edge ready again");
        switches.MapPost("/drain_listeners", ServerEndpoints.PostDrainListeners).WithName("DrainListeners").WithSummary("Closes the public listeners");
    }
}

internal static class AdminAnswers
{
    public static ContentHttpResult Json(JsonObject json) => TypedResults.Text(json.ToJsonString(), "application/json", Encoding.UTF8);

    public static IResult UnknownFormat(string format, string known) => BadRequest($"Unknown format {format}; use {known}.");

    public static IResult BadRequest(string detail) => TypedResults.Problem(detail, statusCode: StatusCodes.Status400BadRequest);
}
