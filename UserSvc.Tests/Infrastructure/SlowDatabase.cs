using Npgsql;

namespace UserSvc.Tests.Infrastructure;

/// <summary>Holds a table lock, so that queries wait until it is released.</summary>
internal sealed class SlowDatabase(string connectionString, NpgsqlConnection connection) : IAsyncDisposable
{
    /// <param name="connectionString">The database's.</param>
    /// <param name="mode">PostgreSQL's name of the lock. <c>SHARE</c> holds only writes.</param>
    public static async Task<SlowDatabase> BeginAsync(string connectionString, string mode = "ACCESS EXCLUSIVE")
    {
        var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync(TestContext.Current.CancellationToken);
        await using var command = new NpgsqlCommand($"BEGIN; LOCK TABLE users IN {mode} MODE", connection);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        return new(connectionString, connection);
    }

    public Task HasBlockedAsync() => Eventually.HoldsAsync(async () =>
        await Sql.ScalarAsync<long>(connectionString, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()") > 0);

    public async Task EndAsync()
    {
        await using var command = new NpgsqlCommand("ROLLBACK", connection);
        await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
    }

    public ValueTask DisposeAsync() => connection.DisposeAsync();
}
