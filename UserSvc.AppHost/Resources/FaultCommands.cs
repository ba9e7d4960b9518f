using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Resources;

/// <summary>Dashboard commands that break something, so that you can watch the edge hide it.</summary>
internal static class FaultCommands
{
    private static readonly TimeSpan FreezeTime = TimeSpan.FromSeconds(5);

    public static IResourceBuilder<ProjectResource> WithInstanceFaults(this IResourceBuilder<ProjectResource> instance)
    {
        instance.WithCommand("kill", "Kill", Kill, new()
        {
            Description = "SIGKILL: cuts requests in flight. The instance restarts after 5 s.",
            IconName = "PlugDisconnected",
            ConfirmationMessage = $"Kill {instance.Resource.Name}?",
            UpdateState = EnabledWhileRunning,
        });
        return OperatingSystem.IsWindows() ? instance : instance.WithCommand("freeze", "Freeze 5 s", FreezeAsync, new()
        {
            Description = "SIGSTOP, then SIGCONT: connections stay open, but nothing is answered.",
            IconName = "WeatherSnowflake",
            UpdateState = EnabledWhileRunning,
        });
    }

    public static IResourceBuilder<ProjectResource> WithHealthCheckCommands(this IResourceBuilder<ProjectResource> edge) => edge
        .WithHttpCommand("/healthcheck/fail", "Fail health check", endpointName: "admin", commandName: "fail-health-check", commandOptions: new()
        {
            Description = "Makes /ready answer 503, so that a load balancer stops sending requests.",
            IconName = "HeartBroken",
            ConfirmationMessage = "Take the edge out of service?",
        })
        .WithHttpCommand("/healthcheck/ok", "Restore", endpointName: "admin", commandName: "restore-health-check", commandOptions: new()
        {
            Description = "Makes /ready answer 200 again.",
            IconName = "Heart",
        });

    public static IResourceBuilder<PostgresServerResource> WithDeleteUsersCommand(this IResourceBuilder<PostgresServerResource> postgres) =>
        postgres.WithCommand("delete-users", "Delete all users", context => DeleteUsersAsync(postgres.Resource, context.CancellationToken), new()
        {
            IconName = "Delete",
            ConfirmationMessage = "Delete all users, for good?",
            UpdateState = EnabledWhileRunning,
        });

    /// <summary>The process of a running resource; null if it is not running.</summary>
    public static System.Diagnostics.Process? FindProcess(this ResourceNotificationService notifications, string resource) =>
        notifications.TryGetCurrentState(resource, out var current)
        && current.Snapshot.State?.Text == KnownResourceStates.Running
        && current.Snapshot.Properties.FirstOrDefault(property => property.Name == "executable.pid")?.Value is { } id
            ? ProcessExtensions.Find(Convert.ToInt32(id, CultureInfo.InvariantCulture))
            : null;

    private static Task<ExecuteCommandResult> Kill(ExecuteCommandContext context)
    {
        using var process = context.FindProcess();
        process?.Kill();
        return Task.FromResult(process is null ? NotRunning : CommandResults.Success());
    }

    private static async Task<ExecuteCommandResult> FreezeAsync(ExecuteCommandContext context)
    {
        using var process = context.FindProcess();
        if (process is null || !Signals.Send(process.Id, Signals.Stop))
        {
            return NotRunning;
        }

        try
        {
            await Task.Delay(FreezeTime, context.CancellationToken);
            return CommandResults.Success();
        }
        finally
        {
            Signals.Send(process.Id, Signals.Continue);
        }
    }

    private static async Task<ExecuteCommandResult> DeleteUsersAsync(PostgresServerResource postgres, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection = new NpgsqlConnection($"{await postgres.GetConnectionStringAsync(cancellationToken)};Database=users;Pooling=false");
            await connection.OpenAsync(cancellationToken);
            await using var command = new NpgsqlCommand("DELETE FROM users", connection);
            return CommandResults.Success($"{await command.ExecuteNonQueryAsync(cancellationToken)} users deleted");
        }
        catch (NpgsqlException failure)
        {
            return CommandResults.Failure(failure.Message);
        }
    }

    private static System.Diagnostics.Process? FindProcess(this ExecuteCommandContext context) =>
        context.Services.GetRequiredService<ResourceNotificationService>().FindProcess(context.ResourceName);

    private static ExecuteCommandResult NotRunning => CommandResults.Failure("The instance is not running: start it first.");

    private static ResourceCommandState EnabledWhileRunning(UpdateCommandStateContext context) =>
        context.ResourceSnapshot.State?.Text == KnownResourceStates.Running ? ResourceCommandState.Enabled : ResourceCommandState.Disabled;
}
