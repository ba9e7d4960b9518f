using System.Diagnostics;
using System.Net;
using Npgsql;
using UserSvc.AppHost;
using UserSvc.AppHost.Postgres;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.AppHost;

public sealed class PostgresServerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("usersvc-postgres-").FullName;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Start_NamedDatabase_IsUtf8InCodePointOrder()
    {
        await using var server = await StartAsync();

        var made = await ScalarAsync(
            server, "SELECT pg_encoding_to_char(encoding) || ' ' || datcollate || ' ' || datctype FROM pg_database WHERE datname = current_database()");

        Assert.Equal("UTF8 C C", made);
    }

    [Fact]
    public async Task Start_Defaults_KeepsTheServersDurability()
    {
        await using var server = await StartAsync();

        var settings = await ScalarAsync(
            server, "SELECT string_agg(name || '=' || setting, ' ' ORDER BY name) FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')");

        Assert.Equal("fsync=on full_page_writes=on synchronous_commit=on", settings);
    }

    [Fact]
    public async Task Connect_WrongPassword_IsRefused()
    {
        await using var server = await StartAsync();
        var wrong = new NpgsqlConnectionStringBuilder(server.ConnectionString("users")) { Password = "wrong", Pooling = false };

        await using var connection = new NpgsqlConnection(wrong.ConnectionString);
        var refusal = await Assert.ThrowsAsync<PostgresException>(() => connection.OpenAsync(Cancellation));

        Assert.Equal(PostgresErrorCodes.InvalidPassword, refusal.SqlState);
    }

    [Fact]
    public async Task Connect_AnyUser_IsAskedForScram()
    {
        await using var server = await StartAsync();

        var methods = await ScalarAsync(server, "SELECT string_agg(DISTINCT auth_method, ' ') FROM pg_hba_file_rules");
        var stored = await ScalarAsync(server, "SELECT left(rolpassword, 13) FROM pg_authid WHERE rolname = 'postgres'");

        Assert.Equal(("scram-sha-256", "SCRAM-SHA-256"), (methods, stored));
    }

    [Fact]
    public async Task Kill_CommittedRow_IsThereAfterTheServerRestarts()
    {
        await using var server = await StartAsync();
        await ScalarAsync(server, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)");
        var (port, killed) = (server.Port, server.ProcessId);

        server.Kill();
        await Eventually.HoldsAsync(() => Task.FromResult(server.ProcessId != killed));

        Assert.Equal((42, port), (await ScalarAsync(server, "SELECT n FROM kept"), server.Port));
    }

    [Fact]
    public async Task Start_AfterStop_HasTheSamePortAndData()
    {
        await using var server = await StartAsync();
        await ScalarAsync(server, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)");
        var port = server.Port;

        await server.StopAsync();
        await Assert.ThrowsAsync<NpgsqlException>(() => ScalarAsync(server, "SELECT 1"));
        await server.StartAsync(Cancellation);

        Assert.Equal((42, port), (await ScalarAsync(server, "SELECT n FROM kept"), server.Port));
    }

    [Fact]
    public async Task Start_FolderInUse_IsRefusedAndNamesTheHolder()
    {
        await using var server = await StartAsync();

        var refusal = await Assert.ThrowsAsync<LaunchException>(StartAsync);

        Assert.Equal($"The PostgreSQL data in {_folder} is in use by process {Environment.ProcessId}: stop that one first.", refusal.Message);
    }

    [Fact]
    public async Task Start_PortInUse_IsRefusedAndNamesThePort()
    {
        await using var server = await StartAsync();
        var other = Path.Combine(_folder, "other");

        var refusal = await Assert.ThrowsAsync<LaunchException>(
            () => PostgresServer.StartAsync(new() { Folder = other, Port = server.Port, Temporary = true }, Cancellation));

        Assert.Equal($"PostgreSQL cannot listen on port {server.Port}: another program does. Stop that program.", refusal.Message);
    }

    [Fact]
    public async Task Start_ServerLeftByAKilledAppHost_IsStoppedFirst()
    {
        var options = new PostgresOptions { Folder = _folder, Databases = ["users"], Temporary = true };
        var local = new LocalPostgres(options);
        await local.PrepareAsync(SecretFile.ReadOrCreate(Path.Combine(_folder, "password")), Cancellation);
        var port = Ports.Free();
        using var orphan = Process.Start(local.Command(port))!;
        await Eventually.HoldsAsync(() => Task.FromResult(!Ports.IsFree(IPAddress.Loopback, port)));

        await using var server = await PostgresServer.StartAsync(options, Cancellation);

        Assert.Equal((true, 1), (orphan.HasExited, await ScalarAsync(server, "SELECT 1")));
    }

    [Fact]
    public async Task Dispose_TemporaryServer_LeavesNeitherProcessNorFolder()
    {
        var server = await TemporaryPostgres.StartAsync(Cancellation);
        using var postmaster = Process.GetProcessById(server.ProcessId);

        await server.DisposeAsync();

        Assert.True(postmaster.HasExited);
        Assert.False(Directory.Exists(server.Folder));
    }

    public void Dispose()
    {
        if (Directory.Exists(_folder))
        {
            Directory.Delete(_folder, recursive: true);
        }
    }

    private static async Task<object?> ScalarAsync(PostgresServer server, string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(server.ConnectionString("users")) { Pooling = false }.ConnectionString);
        await connection.OpenAsync(Cancellation);
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync(Cancellation);
    }

    private Task<PostgresServer> StartAsync() => PostgresServer.StartAsync(new() { Folder = _folder, Databases = ["users"], Temporary = true }, Cancellation);
}
