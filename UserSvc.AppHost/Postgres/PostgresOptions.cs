using System.Security.Cryptography;
using System.Text;

namespace UserSvc.AppHost.Postgres;

internal sealed record PostgresOptions
{
    /// <summary>Holds the data, the password and the lock; created when missing.</summary>
    public required string Folder { get; init; }

    /// <summary>Twelve hex digits that stand for the folder where its path cannot.</summary>
    public string FolderKey => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Path.GetFullPath(Folder))))[..12];

    /// <summary>The volume that holds a container's data.</summary>
    public string Volume => $"usersvc-postgres-{FolderKey}";

    /// <summary>The superuser's password; created when missing.</summary>
    public string PasswordFile => Path.Combine(Folder, "password");

    /// <summary>The TCP port on loopback; 0, the default, picks a free one and keeps it over restarts.</summary>
    public int Port { get; init; }

    /// <summary>Created when missing.</summary>
    public IReadOnlyList<string> Databases { get; init; } = [];

    /// <summary>Server settings by name (<c>log_statement</c>, <c>max_connections</c>, …).</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>How long a start may take, recovery after a crash included. Default: one minute.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>How long a fast shutdown may take, which aborts transactions and writes a checkpoint, before an immediate one. Default: 2.5 s.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(2.5);

    /// <summary>Deletes the folder and the data when the server is disposed. Default: false.</summary>
    public bool Temporary { get; init; }

    /// <summary>Receives the server's own lines and what happens to the server.</summary>
    public Action<string> Log { get; init; } = _ => { };
}
