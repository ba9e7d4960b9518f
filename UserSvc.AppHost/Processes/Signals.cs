using System.Diagnostics;
using System.Runtime.InteropServices;

namespace UserSvc.AppHost.Processes;

/// <summary>POSIX signals, which .NET cannot send.</summary>
internal static class Signals
{
    public const int HangUp = 1;
    public const int Interrupt = 2;
    public const int Quit = 3;
    public const int Kill = 9;
    public const int Terminate = 15;

    // The numbers of SIGSTOP and SIGCONT differ between systems.
    public static readonly int Stop = OperatingSystem.IsMacOS() ? 17 : 19;
    public static readonly int Continue = OperatingSystem.IsMacOS() ? 19 : 18;

    /// <summary>False when the process does not exist or belongs to another user.</summary>
    public static bool Send(int processId, int signal) => SendSignal(processId, signal) == 0;

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static extern int SendSignal(int processId, int signal);
}

internal static class ProcessExtensions
{
    /// <summary>Null when the process does not exist.</summary>
    public static Process? Find(int id)
    {
        try
        {
            return Process.GetProcessById(id);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    /// <summary>Sends SIGTERM; after the grace period, SIGKILL to the process and everything it started. False if that was needed.</summary>
    public static async Task<bool> EndAsync(this Process process, TimeSpan grace)
    {
        Signals.Send(process.Id, Signals.Terminate);
        if (await process.ExitsWithinAsync(grace))
        {
            return true;
        }

        process.Kill(entireProcessTree: true);
        await process.WaitForExitAsync();
        return false;
    }

    public static async Task<bool> ExitsWithinAsync(this Process process, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        try
        {
            await process.WaitForExitAsync(limit.Token);
            return true;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return process.HasExited;
        }
    }
}
