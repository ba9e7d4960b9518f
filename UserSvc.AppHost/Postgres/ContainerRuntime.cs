using System.Diagnostics;
using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Postgres;

/// <summary>Docker's or Podman's command line, whichever has an engine that answers.</summary>
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
            // Unlike 'version', 'ps' fails when only the client is installed.
            if (Command.OnPath(name) is { } program
                && new ContainerRuntime(program) is var runtime
                && (await runtime.RunAsync(["ps", "--quiet"], AnswerTime, cancellationToken)).Succeeded)
            {
                return runtime;
            }
        }

        return null;
    }

    /// <summary>Pulls the image if it is missing, and logs that first: a slow link takes minutes. Null on success, otherwise the problem.</summary>
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
    /// Stops and removes every container that uses the volume, because two servers on the same data would destroy it. Null on success, otherwise the problem.
    /// </summary>
    public async Task<string?> ReleaseAsync(string volume, CancellationToken cancellationToken)
    {
        // A killed AppHost's orchestrator may be removing its containers at the same time, so a failed command is not a problem yet.
        for (var elapsed = Stopwatch.StartNew(); ; await Task.Delay(Pause, cancellationToken))
        {
            var containers = await RunAsync(["ps", "--all", "--quiet", "--filter", $"volume={volume}"], CommandTime, cancellationToken);
            if (containers is { Succeeded: true, Output: "" })
            {
                return null;
            }

            if (elapsed.Elapsed > CommandTime)
            {
                return $"volume {volume} is still in use (remove its containers): {(containers.Succeeded ? containers.Output.ReplaceLineEndings(", ") : containers.Error)}";
            }

            var ids = containers.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
            await RunAsync(["stop", .. ids], CommandTime, cancellationToken);
            await RunAsync(["rm", "--force", .. ids], CommandTime, cancellationToken);
        }
    }

    /// <summary>Null on success, otherwise the problem.</summary>
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
