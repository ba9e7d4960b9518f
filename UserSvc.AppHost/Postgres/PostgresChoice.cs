namespace UserSvc.AppHost.Postgres;

internal enum PostgresKind
{
    Container,
    Local,
}

/// <summary>Whether PostgreSQL runs in a container or from the machine's own binaries.</summary>
internal static class PostgresChoice
{
    public const string Tag = "18.6";
    public const string Image = $"docker.io/library/postgres:{Tag}";

    /// <summary>
    /// The requested kind; otherwise the kind that created the data; otherwise a container if a runtime has or can pull the image; otherwise local
    /// binaries. The first choice is noted with the data.
    /// </summary>
    /// <exception cref="LaunchException">Neither is available; the message says what to install.</exception>
    public static async Task<PostgresKind> MakeAsync(PostgresKind? requested, PostgresOptions options, CancellationToken cancellationToken)
    {
        var data = new PostgresData(options);
        var wanted = requested ?? data.Kind;
        var problems = new List<string>();
        if (wanted != PostgresKind.Local)
        {
            if (await FindContainerProblemAsync(options, cancellationToken) is not { } problem)
            {
                return Choose(PostgresKind.Container);
            }

            problems.Add(problem);
        }

        if (wanted != PostgresKind.Container && !OperatingSystem.IsWindows())
        {
            if (PostgresBinaries.Find() is { } binaries)
            {
                problems.ForEach(problem => options.Log($"{problem}; using PostgreSQL from {binaries} instead"));
                return Choose(PostgresKind.Local);
            }

            problems.Add($"no local binaries (install them: {PostgresBinaries.InstallHint})");
        }

        throw new LaunchException(
            $"There is no PostgreSQL to run: {string.Join("; ", problems)}."
            + (requested is null && data.Kind is not null ? " The existing users need it; --Fresh true (up.sh: --fresh) deletes them and starts with what is available." : ""));

        PostgresKind Choose(PostgresKind kind)
        {
            if (data.Kind is null)
            {
                data.Note(kind);
            }

            return kind;
        }
    }

    private static async Task<string?> FindContainerProblemAsync(PostgresOptions options, CancellationToken cancellationToken) =>
        await ContainerRuntime.FindAsync(cancellationToken) is { } runtime
            ? await runtime.PullAsync(Image, options.Log, cancellationToken) ?? await runtime.ReleaseAsync(options.Volume, cancellationToken)
            : "neither docker nor podman answers (start one)";
}
