using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Postgres;

/// <summary>The command line of docker or podman, whichever has an engine that answers.</summary>
internal sealed record ContainerRuntime(string Program)
{
    private static readonly TimeSpan AnswerTime = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CommandTime = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan PullTime = TimeSpan.FromMinutes(10);

    public static async Task<ContainerRuntime?> FindAsync(CancellationToken cancellationToken)
    {
        foreach (var name in (string[])["docker", "podman"])
        {
            if (Command.OnPath(name) is { } program && await AnswersAsync(program, cancellationToken))
            {
                return new(program);
            }
        }

        return null;
    }

    /// <summary>Pulls the image unless it is there. Null when it is there now, else the reason.</summary>
    public async Task<string?> PullAsync(string image, CancellationToken cancellationToken)
    {
        if ((await RunAsync(["image", "inspect", image], cancellationToken)).Succeeded)
        {
            return null;
        }

        var pull = await Command.RunAsync([Program, "pull", "--quiet", image], PullTime, cancellationToken);
        return pull.Succeeded ? null : $"{Path.GetFileName(Program)} cannot pull {image}: {pull.Error}";
    }

    public Task<CommandResult> RunAsync(IReadOnlyList<string> arguments, CancellationToken cancellationToken) =>
        Command.RunAsync([Program, .. arguments], CommandTime, cancellationToken);

    private static async Task<bool> AnswersAsync(string program, CancellationToken cancellationToken)
    {
        try
        {
            // Unlike 'version', it fails where there is only a client.
            return (await Command.RunAsync([program, "ps", "--quiet"], AnswerTime, cancellationToken)).Succeeded;
        }
        catch (Exception failure) when (failure is TimeoutException or InvalidOperationException)
        {
            return false;
        }
    }
}
