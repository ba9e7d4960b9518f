using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using UserSvc.AppHost.Postgres;
using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Resources;

internal static partial class UsersCluster
{
    /// <summary>The PostgreSQL cluster as this system wants it: a container with a volume, or the machine's own server where containers cannot run.</summary>
    public static IResourceBuilder<PostgresServerResource> WithUsersCluster(this IResourceBuilder<PostgresServerResource> postgres, LocalRun local)
    {
        postgres
            .WithEnvironment("POSTGRES_DB", "users")
            .WithEnvironment("POSTGRES_INITDB_ARGS", string.Join(' ', PostgresEngine.InitDbOptions))
            // The orchestrator leaves a container that died where it is.
            .WithContainerRuntimeArgs("--restart", "on-failure")
            .WithDataVolume(local.Options is null ? "postgres-data" : ContainerPostgres.NameOf(local.PostgresOptions(_ => { }).Folder));
        return local.LocalBinaries ? postgres.RunsFromLocalBinaries(local) : postgres;
    }

    private static IResourceBuilder<PostgresServerResource> RunsFromLocalBinaries(this IResourceBuilder<PostgresServerResource> postgres, LocalRun local)
    {
        // Without its image it is no container to the orchestrator, which leaves its life to the handler below.
        postgres.Resource.Annotations.Remove(postgres.Resource.Annotations.OfType<ContainerImageAnnotation>().Single());
        var port = Ports.Free();
        return postgres
            .WithEndpoint(PrimaryEndpoint, endpoint => (endpoint.Port, endpoint.TargetPort, endpoint.IsProxied) = (port, port, false))
            .WithInitialState(new() { ResourceType = "PostgreSQL", Properties = [], State = KnownResourceStates.NotStarted })
            .OnInitializeResource((resource, start, cancellationToken) => StartAsync(resource, local, port, start, cancellationToken));
    }

    private static async Task StartAsync(PostgresServerResource resource, LocalRun local, int port, InitializeResourceEvent start, CancellationToken cancellationToken)
    {
        try
        {
            await start.Eventing.PublishAsync(new BeforeResourceStartedEvent(resource, start.Services), cancellationToken);
            local.Postgres = await PostgresServer.StartAsync(local.PostgresOptions(line => LogLine(start.Logger, line)) with { Port = port }, cancellationToken);

            var endpoint = resource.Annotations.OfType<EndpointAnnotation>().Single(e => e.Name == PrimaryEndpoint);
            endpoint.AllocatedEndpoint = new(endpoint, "127.0.0.1", port);
            await start.Eventing.PublishAsync(new ResourceEndpointsAllocatedEvent(resource, start.Services), cancellationToken);
            foreach (var part in Parts(resource, start.Services))
            {
                await start.Eventing.PublishAsync(new ConnectionStringAvailableEvent(part, start.Services), cancellationToken);
                await start.Notifications.PublishUpdateAsync(part, state => state with { State = KnownResourceStates.Running, StartTimeStamp = DateTime.UtcNow });
            }
        }
        catch (LaunchException failure)
        {
            await start.Notifications.PublishUpdateAsync(resource, state => state with { State = KnownResourceStates.FailedToStart });
            LogFailure(start.Logger, failure.Message);
            Console.Error.WriteLine(failure.Message);
            local.ExitCode = 1;
            start.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();
        }
    }

    /// <summary>The server, then its databases: what the orchestrator would tell of a container it tells of its children too.</summary>
    private static IEnumerable<IResource> Parts(PostgresServerResource server, IServiceProvider services) =>
        services.GetRequiredService<DistributedApplicationModel>().Resources.OfType<PostgresDatabaseResource>().Where(database => database.Parent == server).Prepend<IResource>(server);

    private const string PrimaryEndpoint = "tcp";

    [LoggerMessage(Level = LogLevel.Information, Message = "{Line}")]
    private static partial void LogLine(ILogger logger, string line);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Reason}")]
    private static partial void LogFailure(ILogger logger, string reason);
}
