using UserSvc.AppHost;
using UserSvc.AppHost.Kubernetes;
using UserSvc.AppHost.Resources;
using UserSvc.AppHost.Topology;

try
{
    var builder = DistributedApplication.CreateBuilder(LocalRun.BuilderOptions(args));
    await using var local = await LocalRun.PrepareAsync(builder, args);

    builder.AddChart();

    var adminKey = builder.AddParameter("admin-key", secret: true);
    var postgresPassword = builder.AddParameter("postgres-password", secret: true);

    var users = builder.AddPostgres("postgres", password: postgresPassword)
        .WithUsersCluster(local)
        .WithPods(PostgresPods.Configure)
        .AddDatabase("users");

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
        .WithPods(UsersvcPods.Configure)).ToList();

    var sidecars = instances.Where(_ => local.HasSidecars).Select(instance => builder.AddProject<Projects.UserSvc_Edge>(Sidecar.NameOf(instance.Resource.Name), ServiceProjects.Explicit)
        .AsSidecarOf(instance)
        .WithLocalEnvironment(local)
        .WithHttpProbe(ProbeType.Liveness, "/alive", endpointName: "health")
        .WithHttpProbe(ProbeType.Readiness, "/ready", endpointName: "health")).ToList();

    builder.AddProject<Projects.UserSvc_Edge>("edge", ServiceProjects.Explicit)
        .WithDestinations("usersvc", local.HasSidecars ? sidecars : instances)
        .WithEdgeEndpoints(local)
        .WithLocalEnvironment(local)
        .WithHttpProbe(ProbeType.Liveness, "/alive", endpointName: "health")
        .WithHttpProbe(ProbeType.Readiness, "/ready", endpointName: "health")
        .WithPods(EdgePods.Configure)
        .OnResourceReady(local.WelcomeAsync);

    await builder.Build().RunAsync();
    return local.ExitCode;
}
catch (LaunchException failure)
{
    Console.Error.WriteLine(failure.Message);
    return 1;
}
