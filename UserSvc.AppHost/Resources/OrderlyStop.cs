using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Extensions.Hosting;
using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Resources;

/// <summary>
/// Ends the edge, then the instances with their sidecars, before the orchestrator ends what is left. It stops a project by a signal that <c>dotnet run</c>
/// does not pass on, so each would be killed after several seconds, in any order and without its drain.
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
        if (notifications.TryGetCurrentState(project.Name, out var current)
            && current.Snapshot.State == KnownResourceStates.Running
            && current.Snapshot.Properties.FirstOrDefault(property => property.Name == "executable.pid")?.Value is { } id)
        {
            using var process = ProcessExtensions.Find(Convert.ToInt32(id, CultureInfo.InvariantCulture));
            await (process?.EndAsync(Grace) ?? Task.CompletedTask);
        }
    }
}
