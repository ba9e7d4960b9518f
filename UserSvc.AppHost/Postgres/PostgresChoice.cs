namespace UserSvc.AppHost.Postgres;

internal enum PostgresKind
{
    Container,
    Local,
}

/// <summary>Whether PostgreSQL runs in a container or from the machine's own binaries.</summary>
/// <param name="folder">Holds the data of a local server and, for both kinds, the note of what the data was made with.</param>
/// <param name="log">Told before a download, and when the first choice is not available.</param>
internal sealed class PostgresChoice(string folder, Action<string> log)
{
    public const string Tag = "18.6";
    public const string Image = $"docker.io/library/postgres:{Tag}";

    private readonly string _note = Path.Combine(folder, "kind");
    private readonly string _volume = VolumeOf(folder);

    // Without the note, users would come and go with a runtime that answers on one day and not on the next.
    private PostgresKind? Made => File.Exists(_note) ? Enum.Parse<PostgresKind>(File.ReadAllText(_note)) : null;

    /// <summary>The container's volume, one for each state folder.</summary>
    public static string VolumeOf(string folder) => $"usersvc-postgres-{FolderKey.Create(folder)}";

    /// <summary>What was asked for; else what the data was made with; else a container where a runtime has the image, else local binaries.</summary>
    /// <exception cref="LaunchException">There is neither; the message says what to install.</exception>
    public async Task<PostgresKind> DecideAsync(PostgresKind? asked, CancellationToken cancellationToken)
    {
        var wanted = asked ?? Made;
        var reasons = new List<string>();
        if (wanted != PostgresKind.Local)
        {
            if (await FindContainerProblemAsync(cancellationToken) is not { } problem)
            {
                return Note(PostgresKind.Container);
            }

            reasons.Add(problem);
        }

        if (wanted != PostgresKind.Container && !OperatingSystem.IsWindows())
        {
            if (PostgresBinaries.Find() is { } binaries)
            {
                reasons.ForEach(reason => log($"{reason}; using PostgreSQL from {binaries} instead"));
                return Note(PostgresKind.Local);
            }

            reasons.Add($"no local binaries (install them: {PostgresBinaries.InstallHint})");
        }

        throw new LaunchException(
            $"There is no PostgreSQL to run: {string.Join("; ", reasons)}."
            + (asked is null && Made is not null ? " Without it the users are out of reach; --Fresh true (up.sh: --fresh) starts empty with what there is." : ""));
    }

    /// <summary>Deletes the data of both kinds: the other one may have been asked for, once.</summary>
    /// <exception cref="LaunchException">A container still uses the volume.</exception>
    public async Task DeleteDataAsync(CancellationToken cancellationToken)
    {
        await new LocalPostgres(new() { Folder = folder, Log = log }).DeleteDataAsync(cancellationToken);
        if (await ContainerRuntime.FindAsync(cancellationToken) is { } runtime)
        {
            if (await runtime.DeleteVolumeAsync(_volume, cancellationToken) is { } problem)
            {
                throw new LaunchException($"The old data in volume {_volume} cannot be deleted: {problem}");
            }
        }
        else if (Made == PostgresKind.Container)
        {
            log($"the old data stays in volume {_volume}: neither docker nor podman answers");
        }

        File.Delete(_note);
    }

    private async Task<string?> FindContainerProblemAsync(CancellationToken cancellationToken) =>
        await ContainerRuntime.FindAsync(cancellationToken) is { } runtime
            ? await runtime.PullAsync(Image, log, cancellationToken) ?? await runtime.ReleaseAsync(_volume, cancellationToken)
            : "neither docker nor podman answers (start one)";

    private PostgresKind Note(PostgresKind kind)
    {
        if (Made is null)
        {
            File.WriteAllText(_note, kind.ToString());
        }

        return kind;
    }
}
