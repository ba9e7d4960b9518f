using System.Runtime.InteropServices;
using Microsoft.Extensions.Hosting;
using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Resources;

/// <summary>
/// Restarts an instance, a sidecar or the edge after its process has died, as the kubelet would; what was stopped in the dashboard stays stopped.
/// At shutdown it stops the edge, then the instances and their sidecars, before the orchestrator stops what is left in any order.
/// </summary>
internal sealed class Supervision(
    DistributedApplicationModel model, ResourceNotificationService notifications, ResourceCommandService commands, IHostApplicationLifetime lifetime)
    : IHostedLifecycleService, IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    // The host ignores SIGHUP, so closing the terminal would leave everything running.
    private readonly PosixSignalRegistration _hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
    {
        signal.Cancel = true;
        lifetime.StopApplication();
    });

    private Task _restarts = Task.CompletedTask;

    private IEnumerable<ProjectResource> Projects => model.Resources.OfType<ProjectResource>();

    // Not in StartAsync: the orchestrator's StartAsync comes first and returns only when everything runs.
    public Task StartingAsync(CancellationToken cancellationToken)
    {
        _restarts = Task.WhenAll(Projects.Select(project => KeepRunningAsync(project, lifetime.ApplicationStopping)));
        return Task.CompletedTask;
    }

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        await _restarts.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        foreach (var tier in Projects.GroupBy(project => project.Name == "edge").OrderByDescending(tier => tier.Key))
        {
            await Task.WhenAll(tier.Select(EndAsync));
        }
    }

    public void Dispose() => _hangUp.Dispose();

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private async Task KeepRunningAsync(ProjectResource project, CancellationToken cancellationToken)
    {
        while (true)
        {
            var change = await notifications.WaitForResourceAsync(project.Name, change => IsStopping(change) || HasEnded(change), cancellationToken);
            if (IsStopping(change))
            {
                await notifications.WaitForResourceAsync(project.Name, KnownResourceStates.Running, cancellationToken);
                continue;
            }

            await Task.Delay(Pause, cancellationToken);
            if (notifications.TryGetCurrentState(change.ResourceId, out var current) && HasEnded(current))
            {
                // Only the first start waits for other resources: one of them may have been stopped in the dashboard.
                foreach (var wait in project.Annotations.OfType<WaitAnnotation>().ToList())
                {
                    project.Annotations.Remove(wait);
                }

                // If this fails, the next round starts it again.
                await commands.ExecuteCommandAsync(change.ResourceId, KnownResourceCommands.StartCommand, cancellationToken);
            }
        }
    }

    private async Task EndAsync(ProjectResource project)
    {
        using var process = notifications.FindProcess(project.Name);
        await (process?.EndAsync(Grace) ?? Task.CompletedTask);
    }

    private static bool IsStopping(ResourceEvent change) => change.Snapshot.State?.Text == KnownResourceStates.Stopping;

    private static bool HasEnded(ResourceEvent change) => KnownResourceStates.TerminalStates.Contains(change.Snapshot.State?.Text);
}
