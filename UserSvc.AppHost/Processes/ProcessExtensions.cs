using System.Diagnostics;

namespace UserSvc.AppHost.Processes;

internal static class ProcessExtensions
{
    /// <summary>Null when there is no such process (any more).</summary>
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

    /// <summary>SIGTERM, and past the grace SIGKILL to the process and all that it started. False when it came to that.</summary>
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
