using System.Diagnostics;

namespace UserSvc.AppHost.Processes;

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
