using System.Globalization;
using Npgsql;
using UserSvc.AppHost.Postgres;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.Infrastructure;

/// <summary>
/// Two real servers: <see cref="First"/> with the database <c>users</c>, and <see cref="Second"/>, its synchronous standby. Tests promote and
/// rejoin servers, as an operator's tools would.
/// </summary>
internal sealed class ReplicatedPostgres(PostgresServer first) : IAsyncDisposable
{
    public PostgresServer First { get; } = first;

    public PostgresServer Second { get; private set; } = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task<ReplicatedPostgres> StartAsync()
    {
        var first = Options();
        var pair = new ReplicatedPostgres(await PostgresServer.StartAsync(first with { Databases = ["users"] }, Cancellation));
        try
        {
            var second = Options();
            SecretFile.Write(second.PasswordFile, SecretFile.ReadOrCreate(first.PasswordFile));
            await CopyAsync(pair.First, second.Folder);
            pair.Second = await PostgresServer.StartAsync(second, Cancellation);
            await WaitForStandbyAsync(pair.First);
            return pair;
        }
        catch
        {
            await pair.DisposeAsync();
            throw;
        }
    }

    /// <summary>A connection string with both servers, the first one first.</summary>
    /// <param name="target">Target Session Attributes.</param>
    /// <param name="firstPort">The port of a relay to the first server.</param>
    public string ConnectionString(string target, int? firstPort = null) => new NpgsqlConnectionStringBuilder(First.ConnectionString("users"))
    {
        Host = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{firstPort ?? First.Port},127.0.0.1:{Second.Port}"),
        TargetSessionAttributes = target,
    }.ConnectionString;

    /// <summary>Promotes the second server, which then waits for no standby. Returns when it accepts writes.</summary>
    public Task PromoteAsync() => ExecuteAsync(Second, $"SELECT pg_promote(wait => true, wait_seconds => {Eventually.Deadline.TotalSeconds})");

    /// <summary>Makes the first server, which is down, the second one's synchronous standby, with a new copy of its data.</summary>
    public async Task RejoinAsync()
    {
        Directory.Delete(Path.Combine(First.Folder, "data"), recursive: true);
        await CopyAsync(Second, First.Folder);
        await First.StartAsync(Cancellation);
        await WaitForStandbyAsync(Second);
    }

    public static async Task ExecuteAsync(PostgresServer server, params string[] statements)
    {
        await using var connection = new NpgsqlConnection(server.ConnectionString("postgres") + ";Pooling=false;Command Timeout=0");
        await connection.OpenAsync(Cancellation);
        foreach (var statement in statements)
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync(Cancellation);
        }
    }

    public async ValueTask DisposeAsync()
    {
        // The standby stops first: a primary that shuts down waits until it has sent everything.
        if (Second is not null)
        {
            await Second.DisposeAsync();
        }

        await First.DisposeAsync();
    }

    private static PostgresOptions Options() => new()
    {
        Folder = Directory.CreateTempSubdirectory("usersvc-postgres-").FullName,
        Temporary = true,
    };

    /// <summary>Copies a running server's data to a folder, ready to follow that server.</summary>
    private static async Task CopyAsync(PostgresServer source, string folder)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new PlatformNotSupportedException("Local servers do not run on Windows.");
        }

        var data = Directory.CreateDirectory(Path.Combine(folder, "data"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
        var from = new NpgsqlConnectionStringBuilder(source.ConnectionString("postgres"));
        List<string> command =
        [
            Path.Combine(PostgresBinaries.Find()!, "pg_basebackup"), "--pgdata", data, "--write-recovery-conf", "--checkpoint=fast", "--no-sync",
            "--host", from.Host!, "--port", from.Port.ToString(CultureInfo.InvariantCulture), "--username", from.Username!,
        ];
        if (Environment.IsPrivilegedProcess)
        {
            File.SetUnixFileMode(folder, File.GetUnixFileMode(folder) | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
            var user = SystemUser.Find("postgres", "nobody")!;
            user.TakeOwnership(data);
            command = [.. user.RunAs(command)];
        }

        var copied = await Command.RunAsync(command, Eventually.Deadline, Cancellation, ("PGPASSWORD", from.Password!));
        Assert.True(copied.Succeeded, copied.Error);
    }

    private static async Task WaitForStandbyAsync(PostgresServer primary)
    {
        await ExecuteAsync(primary, "ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()");
        await Eventually.HoldsAsync(async () =>
            await Sql.ScalarAsync<long>(primary.ConnectionString("postgres"), "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'sync'") == 1);
    }
}
