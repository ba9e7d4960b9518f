using System.Runtime.InteropServices;
using Microsoft.Extensions.Hosting;
using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Resources;

/// <summary>
/// Ends the edge, then the instances with their sidecars, before the orchestrator ends what is left, which it would do in any order.
/// </summary>
internal sealed class OrderlyStop(DistributedApplicationModel model, ResourceNotificationService notifications, IHostApplicationLifetime lifetime)
    : IHostedLifecycleService, IDisposable
{
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    // The host does not handle a terminal that is closed: everything would be left running.
    private readonly PosixSignalRegistration _hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, signal =>
    {
        signal.Cancel = true;
        lifetime.StopApplication();
    });

    public async Task StoppingAsync(CancellationToken cancellationToken)
    {
        if (OperatingSystem.IsWindows())
        {
            return;
        }

        foreach (var tier in model.Resources.OfType<ProjectResource>().GroupBy(project => project.Name == "edge").OrderByDescending(tier => tier.Key))
        {
            await Task.WhenAll(tier.Select(EndAsync));
        }
    }

    public void Dispose() => _hangUp.Dispose();

    public Task StartingAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StartedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StoppedAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private async Task EndAsync(ProjectResource project)
    {
        using var process = notifications.FindProcess(project.Name);
        await (process?.EndAsync(Grace) ?? Task.CompletedTask);
    }
}
