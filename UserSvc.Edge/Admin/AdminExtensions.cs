using UserSvc.Edge.Configuration;
using UserSvc.Edge.Discovery;
using UserSvc.Edge.Listeners;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Admin;

/// <summary>The edge shows itself, in Envoy's paths and shapes, and on a page for people.</summary>
internal static class AdminExtensions
{
    private const string Help = """
        admin commands are:
          /: the page
          /alive: whether the process answers
          /clusters: the clusters' destinations (?format=json)
          /config_dump: the configuration, without its secrets
          /drain_listeners (POST): close the public listeners (?graceful)
          /events: what the page shows, as server-sent events
          /health: readiness, with the reason
          /healthcheck/fail (POST): make the edge unready
          /healthcheck/ok (POST): take that back
          /help: this
          /ready: readiness
          /server_info: version and state
          /stats: every figure (?filter=regex, ?usedonly, ?format=json, ?format=prometheus)
          /stats/prometheus: the same for Prometheus
          /v1/registration/{service}: the hosts of a cluster

        """;

    public static void AddAdmin(this IHostApplicationBuilder builder)
    {
        builder.Services.AddKnownOptions<AdminOptions>(AdminOptions.Section)
            .Validate(o => o.IsValid(), $"{AdminOptions.Section}:Hosts must be names or addresses without a port");
        builder.Services.AddSingleton<EdgeStats>();
        builder.Services.AddSingleton<Overview>();
        builder.Services.AddSingleton<EventsEndpoint>();
        builder.Services.AddSingleton<PageFiles>();
        builder.Services.AddHealthChecks().AddCheck<OperatorHealthCheck>("operator", tags: [ServiceDefaultsExtensions.ReadyTag]);
    }

    public static void MapAdmin(this WebApplication app)
    {
        // The uptime begins here.
        app.Services.GetRequiredService<ServerState>();

        var observed = app.MapGroup("").ServedOn(Listener.Health, Listener.Admin).DisableHttpMetrics();
        observed.MapHealthEndpoints();
        observed.MapRegistration();
        observed.MapGet("/ready", ServerEndpoints.GetReady).WithName("Ready").WithSummary("Envoy's readiness");
        observed.MapGet("/stats/prometheus", StatsEndpoints.GetPrometheus).WithName("Prometheus").WithSummary("Every figure, for Prometheus");

        var admin = app.MapGroup("").ServedOn(Listener.Admin).DisableHttpMetrics();
        admin.MapGet("/", PageFiles.GetPage).WithName("Page").WithSummary("The page for people");
        admin.MapGet("/page/{**file}", PageFiles.GetFile).WithName("PageFile").WithSummary("What the page loads");
        admin.MapGet("/events", EventsEndpoint.Get).WithName("Events").WithSummary("What the page shows, as it changes");
        admin.MapGet("/help", () => TypedResults.Text(Help)).WithName("Help").WithSummary("These paths");
        admin.MapGet("/server_info", ServerEndpoints.GetInfo).WithName("ServerInfo").WithSummary("Version, state, uptime");
        admin.MapGet("/clusters", ClustersEndpoint.Get).WithName("Clusters").WithSummary("Clusters and their destinations");
        admin.MapGet("/stats", StatsEndpoints.Get).WithName("Stats").WithSummary("Every figure");
        admin.MapGet("/config_dump", ConfigDumpEndpoint.Get).WithName("ConfigDump").WithSummary("The configuration, without its secrets");
        admin.MapPost("/healthcheck/fail", ServerEndpoints.PostHealthCheckFail).WithName("HealthCheckFail").WithSummary("Makes the edge unready");
        admin.MapPost("/healthcheck/ok", ServerEndpoints.PostHealthCheckOk).WithName("HealthCheckOk").WithSummary("Takes that back");
        admin.MapPost("/drain_listeners", ServerEndpoints.PostDrainListeners).WithName("DrainListeners").WithSummary("Closes the public listeners");
    }
}
