using UserSvc.AppHost;
using UserSvc.AppHost.Resources;
using UserSvc.AppHost.Topology;

try
{
    var options = TopologyOptions.Read(args);
    LocalRun.MoveDashboardOffTakenPorts();
    var builder = DistributedApplication.CreateBuilder(new DistributedApplicationOptions { Args = args, DisableDashboard = !options.Dashboard });
    await using var local = await LocalRun.PrepareAsync(builder, options, args);

    var adminKey = builder.AddParameter("admin-key", secret: true);
    var postgresPassword = builder.AddParameter("postgres-password", secret: true);

    var users = builder.AddPostgres("postgres", password: postgresPassword)
        .WithUserData(local)
        .AddDatabase("users")
        .CreatedWithServer();

    var instances = local.InstanceNames.Select(name => builder.AddInstance(name, local)
        .WithReference(users)
        .WaitFor(users)
        .WithEnvironment("Admin__Key", adminKey)).ToList();

    var destinations = local.HasSidecars ? instances.ConvertAll(instance => builder.AddSidecar(instance, local)) : instances;

    builder.AddEdge("edge", local)
        .WithDestinations("usersvc", destinations)
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
    // aspire-manifest.json is for aspirate, which cannot read a model with a compute environment.
    private static bool PublishesChart(IDistributedApplicationBuilder builder) =>
        builder.ExecutionContext.IsPublishMode && builder.Configuration["Publishing:Publisher"] != "manifest" && builder.Configuration["Pipeline:Step"] != "publish-manifest";

    // Implemented in Kubernetes/, which is compiled with ChartPublisher=true.
    static partial void AddChart(IDistributedApplicationBuilder builder, string[] args);

    // Without a compute environment, Aspire publishes nothing and reports success.
    private static void RequireChart(IDistributedApplicationBuilder builder)
    {
        if (!builder.Resources.OfType<IComputeEnvironmentResource>().Any())
        {
            throw new LaunchException("Publishing the chart needs the package Aspire.Hosting.Kubernetes, which this build leaves out: set ChartPublisher=true in the environment and publish again.");
        }
    }
}
