using Npgsql;
using UserSvc.AppHost.Postgres;

[assembly: AssemblyFixture(typeof(UserSvc.Tests.Infrastructure.PostgresFixture))]

namespace UserSvc.Tests.Infrastructure;

/// <summary>One real server for the whole run. Each test class can create its own database on it.</summary>
public sealed class PostgresFixture : IAsyncLifetime
{
    /// <summary>Added to connection strings: a busy machine may need longer than the service's 2 s to connect and 3 s for a command.</summary>
    internal const string Patience = ";Timeout=60;Command Timeout=60";

    private PostgresServer? _server;
    private int _databases;

    public async ValueTask InitializeAsync() => _server = await TemporaryPostgres.StartAsync(TestContext.Current.CancellationToken);

    public ValueTask DisposeAsync() => _server?.DisposeAsync() ?? ValueTask.CompletedTask;

    /// <returns>The connection string of a new, empty database.</returns>
    public async Task<string> CreateDatabaseAsync()
    {
        var name = $"users_{Interlocked.Increment(ref _databases)}";
        await _server!.CreateDatabaseAsync(name, TestContext.Current.CancellationToken);
        return _server.ConnectionString(name) + Patience;
    }
}

/// <summary>Queries a test's database directly.</summary>
internal static class Sql
{
    public static async Task<T> ScalarAsync<T>(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        return (T)(await command.ExecuteScalarAsync(TestContext.Current.CancellationToken))!;
    }

    public static async Task ExecuteAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    public static async Task<List<string>> ColumnAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        await using var reader = await command.ExecuteReaderAsync(TestContext.Current.CancellationToken);
        var values = new List<string>();
        while (await reader.ReadAsync(TestContext.Current.CancellationToken))
        {
            values.Add(reader.GetString(0));
        }

        return values;
    }

    /// <summary>The same, waiting for a server that is about to come back.</summary>
    public static async Task<T> EventuallyScalarAsync<T>(string connectionString, string sql)
    {
        T value = default!;
        await Eventually.HoldsAsync(async () =>
        {
            try
            {
                value = await ScalarAsync<T>(connectionString, sql);
                return true;
            }
            catch (NpgsqlException)
            {
                return false;
            }
        });
        return value;
    }
}
