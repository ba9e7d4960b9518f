using UserSvc.AppHost;
using UserSvc.AppHost.Resources;
using UserSvc.AppHost.Topology;

try
{
    var options = TopologyOptions.Read(args);
    var builder = DistributedApplication.CreateBuilder(LocalRun.BuilderOptions(options, args));
    await using var local = await LocalRun.PrepareAsync(builder, options, args);

    var adminKey = builder.AddParameter("admin-key", secret: true);
    var postgresPassword = builder.AddParameter("postgres-password", secret: true);

    var users = builder.AddPostgres("postgres", password: postgresPassword)
        .WithUsersCluster(local)
        .AddDatabase("users")
        .MadeByItsCluster();

    var instances = local.InstanceNames.Select(name => builder.AddProject<Projects.UserSvc_Api>(name, ServiceProjects.Explicit)
        .WithReferenceEnvironment(ReferenceEnvironmentInjectionFlags.ConnectionString)
        .WithReference(users)
        .WaitFor(users)
        .WithEnvironment("Admin__Key", adminKey)
        .WithInstanceEndpoint(local)
        .WithLocalEnvironment(local)
        .WithHttpProbe(ProbeType.Liveness, "/alive")
        .WithHttpProbe(ProbeType.Readiness, "/health")
        .WithReplicas(local.ReplicasOfEach)
        .WithInstanceDisplay(local)).ToList();

    var sidecars = instances.Where(_ => local.HasSidecars).Select(instance => builder.AddProject<Projects.UserSvc_Edge>($"{instance.Resource.Name}-sidecar", ServiceProjects.Explicit)
        .AsSidecarOf(instance)
        .WithLocalEnvironment(local)
        .WithHttpProbe(ProbeType.Liveness, "/alive", endpointName: "health")
        .WithHttpProbe(ProbeType.Readiness, "/ready", endpointName: "health")
        .WithSidecarDisplay(instance)).ToList();

    builder.AddProject<Projects.UserSvc_Edge>("edge", ServiceProjects.Explicit)
        .WithDestinations("usersvc", local.HasSidecars ? sidecars : instances)
        .WithEdgeEndpoints(local)
        .WithLocalEnvironment(local)
        .WithHttpProbe(ProbeType.Liveness, "/alive", endpointName: "health")
        .WithHttpProbe(ProbeType.Readiness, "/ready", endpointName: "health")
        .WithEdgeDisplay(local)
        .OnResourceReady(local.WelcomeAsync);

    if (PublishesChart(builder))
    {
        AddChart(builder, args);
        RequireChart(builder);
    }

    await builder.Build().RunAsync();
    return local.ExitCode;
}
catch (LaunchException failure)
{
    Console.Error.WriteLine(failure.Message);
    return 1;
}

internal sealed partial class Program
{
    // aspire-manifest.json is for aspirate, which cannot read the projects of a model with a compute environment.
    private static bool PublishesChart(IDistributedApplicationBuilder builder) =>
        builder.ExecutionContext.IsPublishMode && builder.Configuration["Publishing:Publisher"] != "manifest" && builder.Configuration["Pipeline:Step"] != "publish-manifest";

    // Its body, in Kubernetes/, is compiled with ChartPublisher=true.
    static partial void AddChart(IDistributedApplicationBuilder builder, string[] args);

    // Without a target Aspire publishes nothing and calls it a success.
    private static void RequireChart(IDistributedApplicationBuilder builder)
    {
        if (!builder.Resources.OfType<IComputeEnvironmentResource>().Any())
        {
            throw new LaunchException("Publishing the chart needs the package Aspire.Hosting.Kubernetes, and this build is without it: publish with ChartPublisher=true in the environment.");
        }
    }
}
