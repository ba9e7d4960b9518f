namespace UserSvc.AppHost.Postgres;

internal static class PostgresChoice
{
    /// <summary>
    /// What the folder was made with comes first: with a runtime that answers on one day and not on the next, the users would seem to
    /// come and go with it. Then a container, then local binaries. Where a fresh start is asked for, the data goes here.
    /// </summary>
    /// <exception cref="LaunchException">There is neither; the message says what to install.</exception>
    public static async Task<PostgresEngine> EngineAsync(PostgresOptions options, CancellationToken cancellationToken)
    {
        if (options.Fresh)
        {
            await DeleteDataAsync(options with { Fresh = false }, cancellationToken);
        }

        var made = KindOf(options.Folder);
        var wanted = options.Kind ?? made;
        var reasons = new List<string>();
        var engine = await ContainerAsync(wanted, options, reasons, cancellationToken) ?? Local(wanted, options, reasons)
            ?? throw new LaunchException(
                $"There is no PostgreSQL to run: {string.Join("; ", reasons)}."
                + (options.Kind is null && made is not null ? $" The data in {options.Folder} needs that one; --Fresh true (up.sh: --fresh) starts empty with what there is." : ""));
        if (made is null)
        {
            await File.WriteAllTextAsync(KindFile(options.Folder), (engine is ContainerPostgres ? PostgresKind.Container : PostgresKind.Local).ToString(), cancellationToken);
        }

        return engine;
    }

    /// <summary>Forgets what the folder was made with, and its data.</summary>
    public static async Task DeleteDataAsync(PostgresOptions options, CancellationToken cancellationToken)
    {
        if (KindOf(options.Folder) is not { } made)
        {
            return;
        }

        try
        {
            await (await EngineAsync(options with { Kind = made }, cancellationToken)).DeleteDataAsync(cancellationToken);
        }
        catch (LaunchException failure)
        {
            options.Log($"the old data stays where it is: {failure.Message}");
        }

        File.Delete(KindFile(options.Folder));
    }

    private static string KindFile(string folder) => Path.Combine(folder, "kind");

    private static PostgresKind? KindOf(string folder) => File.Exists(KindFile(folder)) ? Enum.Parse<PostgresKind>(File.ReadAllText(KindFile(folder))) : null;

    private static async Task<PostgresEngine?> ContainerAsync(
        PostgresKind? wanted, PostgresOptions options, List<string> reasons, CancellationToken cancellationToken)
    {
        if (wanted == PostgresKind.Local)
        {
            return null;
        }

        if (await ContainerRuntime.FindAsync(cancellationToken) is not { } runtime)
        {
            reasons.Add("neither docker nor podman answers (start one)");
            return null;
        }

        if (await runtime.PullAsync(ContainerPostgres.Image, cancellationToken) is { } failure)
        {
            options.Log(failure);
            reasons.Add(failure);
            return null;
        }

        return new ContainerPostgres(options, runtime);
    }

    private static LocalPostgres? Local(PostgresKind? wanted, PostgresOptions options, List<string> reasons)
    {
        if (wanted == PostgresKind.Container || OperatingSystem.IsWindows())
        {
            return null;
        }

        if (PostgresBinaries.Find() is not { } binaries)
        {
            reasons.Add($"no local binaries (install them: {PostgresBinaries.InstallHint})");
            return null;
        }

        return new(options, binaries);
    }
}
