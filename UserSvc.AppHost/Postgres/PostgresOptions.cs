namespace UserSvc.AppHost.Postgres;

internal sealed record PostgresOptions
{
    /// <summary>Holds the data, the password and the lock; made when missing.</summary>
    public required string Folder { get; init; }

    /// <summary>The superuser's password, made when missing.</summary>
    public string PasswordFile => Path.Combine(Folder, "password");

    /// <summary>The TCP port on loopback; 0, the default, takes a free one and keeps it over restarts.</summary>
    public int Port { get; init; }

    /// <summary>Created when missing.</summary>
    public IReadOnlyList<string> Databases { get; init; } = [];

    /// <summary>Server settings by name (<c>log_statement</c>, <c>max_connections</c>, …).</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>How long a start may take, recovery after a crash included. Default: one minute.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>For a fast shutdown, which aborts transactions and writes a checkpoint; past it the server is told to quit at once. Default: 2.5 s.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(2.5);

    /// <summary>Deletes folder and data when the server is disposed of. Default: false.</summary>
    public bool Temporary { get; init; }

    /// <summary>Receives the server's own lines, and a line when it is started again.</summary>
    public Action<string> Log { get; init; } = _ => { };
}
