namespace UserSvc.AppHost.Postgres;

internal enum PostgresKind
{
    Container,
    Local,
}

/// <summary>Whether PostgreSQL runs in a container or from the machine's own binaries.</summary>
/// <param name="folder">Holds the data of a local server and, for both kinds, the note of what the data was made with.</param>
/// <param name="log">Receives what is to be said about the choice.</param>
internal sealed class PostgresChoice(string folder, Action<string> log)
{
    // The one that Aspire starts.
    public const string Image = "docker.io/library/postgres:18.3";

    private readonly string _note = Path.Combine(folder, "kind");

    /// <summary>The container's volume, one for each state folder.</summary>
    public string Volume => $"usersvc-postgres-{FolderKey.Create(folder)}";

    // Without the note, users would come and go with a runtime that answers on one day and not on the next.
    private PostgresKind? Made => File.Exists(_note) ? Enum.Parse<PostgresKind>(File.ReadAllText(_note)) : null;

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
            + (asked is null && Made is not null ? $" The data in {folder} needs that one; --Fresh true (up.sh: --fresh) starts empty with what there is." : ""));
    }

    /// <summary>Deletes the data and the note of what it was made with.</summary>
    public async Task DeleteDataAsync(CancellationToken cancellationToken)
    {
        if (Made == PostgresKind.Local)
        {
            await new LocalPostgres(new() { Folder = folder, Log = log }).DeleteDataAsync(cancellationToken);
        }
        else if (Made == PostgresKind.Container)
        {
            await DeleteVolumeAsync(cancellationToken);
        }

        File.Delete(_note);
    }

    private async Task<string?> FindContainerProblemAsync(CancellationToken cancellationToken) =>
        await ContainerRuntime.FindAsync(cancellationToken) is { } runtime
            ? await runtime.PullAsync(Image, cancellationToken) ?? await runtime.ReleaseAsync(Volume, cancellationToken)
            : "neither docker nor podman answers (start one)";

    private async Task DeleteVolumeAsync(CancellationToken cancellationToken)
    {
        if (await ContainerRuntime.FindAsync(cancellationToken) is not { } runtime)
        {
            log($"the old data stays in volume {Volume}: neither docker nor podman answers");
        }
        else if (await runtime.DeleteVolumeAsync(Volume, cancellationToken) is { } problem)
        {
            throw new LaunchException($"The old data in volume {Volume} cannot be deleted: {problem}");
        }
    }

    private PostgresKind Note(PostgresKind kind)
    {
        if (Made is null)
        {
            File.WriteAllText(_note, kind.ToString());
        }

        return kind;
    }
}
