using System.Diagnostics;
using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Postgres;

/// <summary>The command line of docker or podman, whichever has an engine that answers.</summary>
internal sealed record ContainerRuntime(string Program)
{
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CommandTime = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan PullTime = TimeSpan.FromMinutes(10);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    public static async Task<ContainerRuntime?> FindAsync(CancellationToken cancellationToken)
    {
        foreach (var name in (string[])["docker", "podman"])
        {
            // Unlike 'version', 'ps' fails where there is only a client.
            if (Command.OnPath(name) is { } program
                && new ContainerRuntime(program) is var runtime
                && (await runtime.RunAsync(["ps", "--quiet"], AnswerTime, cancellationToken)).Succeeded)
            {
                return runtime;
            }
        }

        return null;
    }

    /// <summary>Pulls the image unless it is there, and says so first: it takes minutes on a slow link. Null when it is there now, else the reason.</summary>
    public async Task<string?> PullAsync(string image, Action<string> log, CancellationToken cancellationToken)
    {
        if ((await RunAsync(["image", "inspect", image], CommandTime, cancellationToken)).Succeeded)
        {
            return null;
        }

        log($"pulling {image}");
        var pull = await RunAsync(["pull", "--quiet", image], PullTime, cancellationToken);
        return pull.Succeeded ? null : $"{Path.GetFileName(Program)} cannot pull {image}: {pull.Error}";
    }

    /// <summary>
    /// Stops and removes every container that uses the volume: two servers on the same data would destroy it. Null when none is left, else the reason.
    /// </summary>
    public async Task<string?> ReleaseAsync(string volume, CancellationToken cancellationToken)
    {
        // The orchestrator of a killed AppHost removes its containers too, so a command may fail although all is well.
        for (var elapsed = Stopwatch.StartNew(); ; await Task.Delay(Pause, cancellationToken))
        {
            var users = await RunAsync(["ps", "--all", "--quiet", "--filter", $"volume={volume}"], CommandTime, cancellationToken);
            if (users is { Succeeded: true, Output: "" })
            {
                return null;
            }

            if (elapsed.Elapsed > CommandTime)
            {
                return $"volume {volume} is still in use (remove its containers): {(users.Succeeded ? users.Output.ReplaceLineEndings(", ") : users.Error)}";
            }

            var containers = users.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            await RunAsync(["stop", .. containers], CommandTime, cancellationToken);
            await RunAsync(["rm", "--force", .. containers], CommandTime, cancellationToken);
        }
    }

    /// <summary>Null when the volume is gone, else the reason.</summary>
    public async Task<string?> DeleteVolumeAsync(string volume, CancellationToken cancellationToken) =>
        await ReleaseAsync(volume, cancellationToken) is { } used ? used
        : await RunAsync(["volume", "rm", "--force", volume], CommandTime, cancellationToken) is { Succeeded: false } failed ? failed.Error
        : null;

    private async Task<CommandResult> RunAsync(IReadOnlyList<string> arguments, TimeSpan timeout, CancellationToken cancellationToken)
    {
        try
        {
            return await Command.RunAsync([Program, .. arguments], timeout, cancellationToken);
        }
        catch (Exception failure) when (failure is TimeoutException or InvalidOperationException)
        {
            return new(-1, "", failure.Message);
        }
    }
}
