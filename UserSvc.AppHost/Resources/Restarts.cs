using Microsoft.Extensions.Hosting;

namespace UserSvc.AppHost.Resources;

/// <summary>Starts an instance, a sidecar or the edge again after its process has died, as the kubelet would. What was stopped in the dashboard stays stopped.</summary>
internal sealed class Restarts(
    DistributedApplicationModel model, ResourceNotificationService notifications, ResourceCommandService commands, IHostApplicationLifetime lifetime) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(model.Resources.OfType<ProjectResource>().Select(project => KeepRunningAsync(project.Name, lifetime.ApplicationStopping)));

    private async Task KeepRunningAsync(string name, CancellationToken cancellationToken)
    {
        while (true)
        {
            await notifications.WaitForResourceAsync(name, change => StateOf(change) == KnownResourceStates.Running, cancellationToken);
            var change = await notifications.WaitForResourceAsync(name, change => StateOf(change) == KnownResourceStates.Stopping || HasEnded(change), cancellationToken);
            if (!HasEnded(change))
            {
                continue;
            }

            await Task.Delay(Pause, cancellationToken);
            if (notifications.TryGetCurrentState(change.ResourceId, out var current) && HasEnded(current))
            {
                await commands.ExecuteCommandAsync(change.ResourceId, KnownResourceCommands.StartCommand, cancellationToken);
            }
        }
    }

    private static string? StateOf(ResourceEvent change) => change.Snapshot.State?.Text;

    private static bool HasEnded(ResourceEvent change) => KnownResourceStates.TerminalStates.Contains(StateOf(change));
}
