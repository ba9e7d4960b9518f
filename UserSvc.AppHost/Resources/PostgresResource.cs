using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using UserSvc.AppHost.Postgres;
using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Resources;

internal static partial class PostgresResource
{
    private const string PrimaryEndpoint = "tcp";

    /// <summary>Keeps the users in a container's volume or, without a container runtime, in a local server's data folder.</summary>
    public static IResourceBuilder<PostgresServerResource> WithUserData(this IResourceBuilder<PostgresServerResource> postgres, LocalRun local)
    {
        postgres
            .WithImageTag(PostgresChoice.Tag)
            .WithEnvironment("POSTGRES_DB", "users")
            .WithEnvironment("POSTGRES_INITDB_ARGS", string.Join(' ', LocalPostgres.InitDbOptions))
            // The orchestrator does not restart a container that died.
            .WithContainerRuntimeArgs("--restart", "on-failure")
            .WithDataVolume(local.PostgresVolume);
        return local.PostgresKind switch
        {
            null => postgres,
            PostgresKind.Local => postgres.WithDeleteUsersCommand().FromLocalBinaries(local),
            _ => postgres.WithDeleteUsersCommand(),
        };
    }

    /// <summary>The server creates the database. Aspire would create it again at each start, which the server logs as an error.</summary>
    public static IResourceBuilder<PostgresDatabaseResource> CreatedWithServer(this IResourceBuilder<PostgresDatabaseResource> database) =>
        database.WithCreationScript("SELECT 'created with the server'");

    private static IResourceBuilder<PostgresServerResource> FromLocalBinaries(this IResourceBuilder<PostgresServerResource> postgres, LocalRun local)
    {
        // Without an image, the orchestrator does not treat it as a container and leaves it to the handlers below.
        postgres.Resource.Annotations.Remove(postgres.Resource.Annotations.OfType<ContainerImageAnnotation>().Single());
        var port = Ports.Free();
        return postgres
            .WithEndpoint(PrimaryEndpoint, endpoint => (endpoint.Port, endpoint.TargetPort, endpoint.IsProxied) = (port, port, false))
            .WithInitialState(new()
            {
                ResourceType = "PostgreSQL",
                State = KnownResourceStates.NotStarted,
                Properties = [new(CustomResourceKnownProperties.Source, PostgresBinaries.Find())],
            })
            .OnInitializeResource((resource, start, cancellationToken) => InitializeAsync(resource, local, port, start, cancellationToken))
            .WithCommand(KnownResourceCommands.StopCommand, "Stop", context => StopAsync(postgres.Resource, local, context), new()
            {
                IconName = "Stop",
                IconVariant = IconVariant.Filled,
                IsHighlighted = true,
                UpdateState = context => VisibleIn(KnownResourceStates.Running, context),
            })
            .WithCommand(KnownResourceCommands.StartCommand, "Start", context => StartAsync(postgres.Resource, local, context), new()
            {
                IconName = "Play",
                IconVariant = IconVariant.Filled,
                IsHighlighted = true,
                UpdateState = context => VisibleIn(KnownResourceStates.Exited, context),
            });
    }

    private static async Task InitializeAsync(PostgresServerResource resource, LocalRun local, int port, InitializeResourceEvent start, CancellationToken cancellationToken)
    {
        try
        {
            await start.Eventing.PublishAsync(new BeforeResourceStartedEvent(resource, start.Services), cancellationToken);
            local.Postgres = PostgresServer.StartAsync(local.PostgresOptions with { Port = port, Log = line => LogLine(start.Logger, line) }, cancellationToken);
            await local.Postgres;

            var endpoint = resource.Annotations.OfType<EndpointAnnotation>().Single(e => e.Name == PrimaryEndpoint);
            endpoint.AllocatedEndpoint = new(endpoint, "127.0.0.1", port);
            await start.Eventing.PublishAsync(new ResourceEndpointsAllocatedEvent(resource, start.Services), cancellationToken);
            foreach (var part in Parts(resource, start.Services))
            {
                await start.Eventing.PublishAsync(new ConnectionStringAvailableEvent(part, start.Services), cancellationToken);
            }

            await PublishAsync(resource, KnownResourceStates.Running, start.Services);
        }
        // Catches everything, because nothing else observes it and resources that wait for PostgreSQL would wait forever.
        catch (Exception failure) when (failure is not OperationCanceledException)
        {
            await PublishAsync(resource, KnownResourceStates.FailedToStart, start.Services);
            LogFailure(start.Logger, failure.Message);
            Console.Error.WriteLine(failure.Message);
            local.ExitCode = 1;
            start.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();
        }
    }

    private static async Task<ExecuteCommandResult> StopAsync(PostgresServerResource resource, LocalRun local, ExecuteCommandContext context)
    {
        await PublishAsync(resource, KnownResourceStates.Stopping, context.Services);
        await (await local.Postgres!).StopAsync();
        await PublishAsync(resource, KnownResourceStates.Exited, context.Services);
        return CommandResults.Success();
    }

    private static async Task<ExecuteCommandResult> StartAsync(PostgresServerResource resource, LocalRun local, ExecuteCommandContext context)
    {
        await PublishAsync(resource, KnownResourceStates.Starting, context.Services);
        try
        {
            await (await local.Postgres!).StartAsync(context.CancellationToken);
            await PublishAsync(resource, KnownResourceStates.Running, context.Services);
            return CommandResults.Success();
        }
        catch (LaunchException failure)
        {
            await PublishAsync(resource, KnownResourceStates.Exited, context.Services);
            return CommandResults.Failure(failure.Message);
        }
    }

    /// <summary>Publishes a state for the server and its databases, as the orchestrator does for a container.</summary>
    private static async Task PublishAsync(PostgresServerResource server, string state, IServiceProvider services)
    {
        foreach (var part in Parts(server, services))
        {
            await services.GetRequiredService<ResourceNotificationService>().PublishUpdateAsync(part, snapshot => state == KnownResourceStates.Running
                ? snapshot with { State = state, StartTimeStamp = DateTime.UtcNow, StopTimeStamp = null, Urls = [.. snapshot.Urls.DistinctBy(url => url.Name).Select(url => url with { IsInactive = false })] }
                : snapshot with { State = state, StopTimeStamp = DateTime.UtcNow });
        }
    }

    private static IEnumerable<IResource> Parts(PostgresServerResource server, IServiceProvider services) =>
        services.GetRequiredService<DistributedApplicationModel>().Resources.OfType<PostgresDatabaseResource>().Where(database => database.Parent == server).Prepend<IResource>(server);

    private static ResourceCommandState VisibleIn(string state, UpdateCommandStateContext context) =>
        context.ResourceSnapshot.State?.Text == state ? ResourceCommandState.Enabled : ResourceCommandState.Hidden;

    [LoggerMessage(Level = LogLevel.Information, Message = "{Line}")]
    private static partial void LogLine(ILogger logger, string line);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Reason}")]
    private static partial void LogFailure(ILogger logger, string reason);
}
