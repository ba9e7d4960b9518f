using System.Diagnostics;
using System.Net;
using Npgsql;
using UserSvc.AppHost.Postgres;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.Infrastructure;

/// <summary>A pgbouncer in front of a database. Each session, or each transaction, gets the server connection that has been idle for longest.</summary>
internal sealed class PgBouncer : IAsyncDisposable
{
    // In transaction mode: fewer server connections than clients, and of another number than what a migration sends.
    private const int Shared = 3;

    private readonly string _folder = StateFolder.Create();
    private readonly Process _process;
    private readonly OutputTail _output = new(_ => { });
    private readonly Task _reading;
    private readonly int _port = Ports.Free();

    private PgBouncer(PostgresServer server, string database, IEnumerable<string> settings)
    {
        var login = new NpgsqlConnectionStringBuilder(server.ConnectionString(database));
        ConnectionString = new NpgsqlConnectionStringBuilder(login.ConnectionString) { Port = _port }.ConnectionString + PostgresFixture.Patience;
        var (configuration, users) = (Path.Combine(_folder, "pgbouncer.ini"), Path.Combine(_folder, "users.txt"));
        SecretFile.Write(users, $"\"{login.Username}\" \"\"\n");
        SecretFile.Write(configuration, string.Join('\n',
        [
            "[databases]",
            $"{database} = host=127.0.0.1 port={server.Port} user={login.Username} password='{login.Password}'",
            "[pgbouncer]",
            "listen_addr = 127.0.0.1",
            $"listen_port = {_port}",
            "unix_socket_dir =",
            // No client needs a password; pgbouncer itself logs in to the server.
            "auth_type = trust",
            $"auth_file = {users}",
            "server_round_robin = 1",
            // Seconds until it tries a server again that was away.
            "server_login_retry = 1",
            .. settings,
            "",
        ]));
        // Like PostgreSQL, it refuses to run as root.
        var user = Environment.IsPrivilegedProcess ? SystemUser.Find("postgres", "nobody") : null;
        user?.TakeOwnership(users);
        user?.TakeOwnership(configuration);
        string[] command = [Program, "--quiet", configuration];
        _process = Command.Start(Command.InOwnSession(user?.RunAs(command) ?? command));
        _reading = _output.ReadAsync(_process);
    }

    /// <summary>Whether this version follows prepared statements from one server connection to the next: 1.21 and later can.</summary>
    public static bool CanTrackStatements { get; } = ReadVersion() >= new Version(1, 21);

    public string ConnectionString { get; }

    private static string Program => Command.OnPath("pgbouncer")
        // Debian's folder, which is not on every user's PATH.
        ?? (File.Exists("/usr/sbin/pgbouncer") ? "/usr/sbin/pgbouncer" : throw new FileNotFoundException("The poolers' tests need pgbouncer: run ./test.sh --install, or install it."));

    /// <param name="server">Where it connects to.</param>
    /// <param name="database">The only one that it offers.</param>
    /// <param name="mode">pgbouncer's name of the mode: <c>session</c> or <c>transaction</c>.</param>
    /// <param name="trackStatements">Needs <see cref="CanTrackStatements"/>.</param>
    public static async Task<PgBouncer> StartAsync(PostgresServer server, string database, string mode, bool trackStatements = false)
    {
        var pooler = new PgBouncer(server, database,
        [
            $"pool_mode = {mode}",
            $"default_pool_size = {(mode == "session" ? 100 : Shared)}",
            .. CanTrackStatements ? [$"max_prepared_statements = {(trackStatements ? 100 : 0)}"] : (string[])[],
        ]);
        await Eventually.HoldsAsync(() => Task.FromResult(pooler._process.HasExited || !Ports.IsFree(IPAddress.Loopback, pooler._port)));
        Assert.False(pooler._process.HasExited, string.Join('\n', pooler._output.Lines));
        if (mode == "transaction")
        {
            await pooler.OpenServerConnectionsAsync();
        }

        return pooler;
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        await _reading;
        _process.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    // Transactions at the same time need one each.
    private async Task OpenServerConnectionsAsync()
    {
        await using var clients = NpgsqlDataSource.Create(ConnectionString + ";Pooling=false");
        var held = new Stack<NpgsqlConnection>();
        while (held.Count < Shared)
        {
            held.Push(await clients.OpenConnectionAsync(TestContext.Current.CancellationToken));
            await using var command = new NpgsqlCommand("BEGIN", held.Peek());
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }

        while (held.TryPop(out var client))
        {
            await using var command = new NpgsqlCommand("COMMIT", client);
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
            await client.DisposeAsync();
        }
    }

    // "PgBouncer 1.18.0", then its libraries.
    private static Version ReadVersion()
    {
        using var process = Command.Start(Command.InOwnSession([Program, "--version"]));
        return Version.Parse(process.StandardOutput.ReadToEnd().Split('\n')[0].Split(' ')[1]);
    }
}
