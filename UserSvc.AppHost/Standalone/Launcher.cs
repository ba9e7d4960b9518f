using System.Runtime.InteropServices;
using UserSvc.AppHost.Topology;

namespace UserSvc.AppHost.Standalone;

internal static class Launcher
{
    private static async Task<int> Main(string[] args)
    {
        using var stop = new CancellationTokenSource();
        using var interrupt = StopOn(PosixSignal.SIGINT, stop);
        using var terminate = StopOn(PosixSignal.SIGTERM, stop);
        using var hangUp = StopOn(PosixSignal.SIGHUP, stop);
        try
        {
            await RunAsync(args, stop.Token);
            return 0;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return 0;
        }
        catch (LaunchException failure)
        {
            Console.Error.WriteLine(failure.Message);
            return 1;
        }
    }

    private static async Task RunAsync(string[] args, CancellationToken stop)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new LaunchException("Without Aspire's packages this runs on Linux and macOS only: use WSL, or a package feed that has them.");
        }

        TopologyOptions.CheckNames(args);
        var options = TopologyOptions.Read(args);
        var journal = new Journal(Console.Out);
        using var state = LocalState.Take(options);
        await using (var system = new LocalSystem(options, state, journal))
        {
            await system.StartAsync(stop);
            Console.WriteLine(Welcome.Text(options, state, system.DashboardUrl));
            await Task.Delay(Timeout.Infinite, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            journal.Write("apphost", "stopping");
        }

        journal.Write("apphost", "stopped");
    }

    private static PosixSignalRegistration StopOn(PosixSignal signal, CancellationTokenSource stop) => PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        stop.Cancel();
    });
}
