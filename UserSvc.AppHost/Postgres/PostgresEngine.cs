using System.Diagnostics;

namespace UserSvc.AppHost.Postgres;

/// <summary>What differs between a container and local binaries. The process it describes lives exactly as long as the server.</summary>
internal abstract class PostgresEngine
{
    public const string User = "postgres";

    // Both engines make the cluster so: text in UTF-8, ordered by code point.
    public static readonly string[] InitDbOptions = ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"];

    /// <summary>For the log: what runs and where its data is.</summary>
    public abstract string Description { get; }

    /// <summary>Makes the data folder or volume when missing, and ends a server left over by a launcher that was killed.</summary>
    public abstract Task PrepareAsync(string password, CancellationToken cancellationToken);

    public abstract ProcessStartInfo Command(int port);

    /// <summary>The postmaster's id, as the host sees it.</summary>
    public abstract Task<int> PostmasterAsync(Process process, CancellationToken cancellationToken);

    public abstract Task SignalAsync(Process process, int signal);

    /// <summary>Deletes folder or volume, and first ends a server that still runs on it.</summary>
    public abstract Task DeleteDataAsync(CancellationToken cancellationToken);

    protected static IEnumerable<string> Arguments(IReadOnlyDictionary<string, string> settings) =>
        settings.SelectMany(setting => new[] { "-c", $"{setting.Key}={setting.Value}" });
}
