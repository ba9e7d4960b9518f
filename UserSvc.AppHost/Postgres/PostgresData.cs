namespace UserSvc.AppHost.Postgres;

/// <summary>The users that earlier runs left in a container's volume or a local server's folder.</summary>
internal sealed class PostgresData(PostgresOptions options)
{
    private readonly string _note = Path.Combine(options.Folder, "kind");

    /// <summary>
    /// The kind of server that created the data, noted beside it; null before the first run. Without the note, users would come and go with the
    /// container runtime.
    /// </summary>
    public PostgresKind? Kind => File.Exists(_note) ? Enum.Parse<PostgresKind>(File.ReadAllText(_note)) : null;

    public void Note(PostgresKind kind) => File.WriteAllText(_note, kind.ToString());

    /// <summary>Deletes the users of both kinds: a run may have been told to use the other one.</summary>
    /// <exception cref="LaunchException">A container still uses the volume.</exception>
    public async Task DeleteAsync(CancellationToken cancellationToken)
    {
        await new LocalPostgres(options).DeleteDataAsync(cancellationToken);
        if (await ContainerRuntime.FindAsync(cancellationToken) is { } runtime)
        {
            if (await runtime.DeleteVolumeAsync(options.Volume, cancellationToken) is { } problem)
            {
                throw new LaunchException($"The old data in volume {options.Volume} cannot be deleted: {problem}");
            }
        }
        else if (Kind == PostgresKind.Container)
        {
            options.Log($"the old data stays in volume {options.Volume}: neither docker nor podman answers");
        }

        File.Delete(_note);
    }
}
