using System.Runtime.InteropServices;
using Microsoft.Extensions.Hosting;
using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Resources;

/// <summary>
/// Starts an instance, a sidecar or the edge again after its process has died, as the kubelet would; what was stopped in the dashboard stays stopped.
/// In the end it ends the edge, then the instances with their sidecars, before the orchestrator ends what is left, which it would do in any order.
/// </summary>
internal sealed class Supervision(
    DistributedApplicationModel model, ResourceNotificationService notifications, ResourceCommandService commands, IHostApplicationLifetime lifetime)
    : IHostedLifecycleService, IDisposable
{
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    // The host does not handle a terminal that is closed: everything would be left running.
    private readonly PosixSignalRegistration _hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
    {
        signal.Cancel = true;
        lifetime.StopApplication();
    });

    private Task _restarts = Task.CompletedTask;

    private IEnumerable<ProjectResource> Projects => model.Resources.OfType<ProjectResource>();

    // Before any service's StartAsync: the orchestrator's returns only when everything runs.
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
                // Only the first start waits for others: one of them may have been stopped in the dashboard.
                foreach (var wait in project.Annotations.OfType<WaitAnnotation>().ToList())
                {
                    project.Annotations.Remove(wait);
                }

                // What fails is tried again after the next pause.
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
