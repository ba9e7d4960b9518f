using System.Diagnostics;
using Npgsql;

namespace UserSvc.Api.Database;

/// <summary>All SQL but the lookup's. Every method throws <see cref="ServiceDefaults.UnavailableException"/> while the database is down.</summary>
internal sealed class UserStore(NpgsqlDataSource dataSource, DatabaseOutage outage)
{
    /// <returns>Null when the name is taken.</returns>
    public Task<User?> CreateAsync(string name, string fullname, string passwordHash, CancellationToken cancellationToken) => WriteAsync(
        $"""
        INSERT INTO users (uuid, username, fullname, password_hash) VALUES ($1, $2, $3, $4)
        ON CONFLICT (username) DO NOTHING
        RETURNING {User.Columns}
        """,
        ReadUserAsync, cancellationToken, Guid.CreateVersion7(), name, fullname, passwordHash);

    public Task<(User User, string PasswordHash)?> FindWithHashAsync(string name, CancellationToken cancellationToken) =>
        QueryAsync($"SELECT {User.Columns}, password_hash FROM users WHERE username = $1", ReadUserWithHashAsync, cancellationToken, name);

    /// <summary>Waits, like a write, until the synchronous standby has everything that was read: a row that is merely visible may be lost with the primary.</summary>
    /// <returns>False when the user has changed since it was read.</returns>
    public async Task<bool> ConfirmAsync(User user, CancellationToken cancellationToken) => await QueryAsync(
        $"SELECT {User.Columns} FROM users WHERE uuid = $1 AND version = $2 FOR KEY SHARE",
        ReadUserAsync, cancellationToken, user.Uuid, user.Version) is not null;

    /// <returns>Null when the user has changed since <paramref name="user"/> was read.</returns>
    public Task<User?> ReplaceAsync(User user, string fullname, string passwordHash, CancellationToken cancellationToken) => WriteAsync(
        $"""
        UPDATE users SET fullname = $3, password_hash = $4, version = version + 1, updated_at = now()
        WHERE uuid = $1 AND version = $2
        RETURNING {User.Columns}
        """,
        ReadUserAsync, cancellationToken, user.Uuid, user.Version, fullname, passwordHash);

    /// <summary>Stores the same password hashed with new parameters, unless the password has changed. The version stays: nothing a reader sees changes.</summary>
    public Task<int> RehashAsync(Guid uuid, string oldHash, string newHash, CancellationToken cancellationToken) => WriteAsync(
        "UPDATE users SET password_hash = $3 WHERE uuid = $1 AND password_hash = $2", CountRowsAsync, cancellationToken, uuid, oldHash, newHash);

    /// <returns>False when the user, and so perhaps its password, has changed since it was read.</returns>
    public async Task<bool> DeleteAsync(User user, CancellationToken cancellationToken) =>
        await WriteAsync("DELETE FROM users WHERE uuid = $1 AND version = $2", CountRowsAsync, cancellationToken, user.Uuid, user.Version) == 1;

    public Task<List<User>> ListAsync(string after, int limit, CancellationToken cancellationToken) => QueryAsync(
        $"SELECT {User.Columns} FROM users WHERE username > $1 ORDER BY username LIMIT $2", ReadUsersAsync, cancellationToken, after, limit);

    private static Task<int> CountRowsAsync(NpgsqlCommand command, CancellationToken cancellationToken) => command.ExecuteNonQueryAsync(cancellationToken);

    private static async Task<User?> ReadUserAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? User.Read(reader) : null;
    }

    private static async Task<(User User, string PasswordHash)?> ReadUserWithHashAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? (User.Read(reader), reader.GetString(reader.FieldCount - 1)) : null;
    }

    private static async Task<List<User>> ReadUsersAsync(NpgsqlCommand command, CancellationToken cancellationToken)
    {
        var users = new List<User>();
        await using var reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            users.Add(User.Read(reader));
        }

        return users;
    }

    private Task<T> QueryAsync<T>(string sql, Func<NpgsqlCommand, CancellationToken, Task<T>> run, CancellationToken cancellationToken, params object[] values) =>
        outage.GuardAsync(token => RunAsync(sql, run, values, token), cancellationToken, mayRepeat: true);

    // Never repeated: a write whose connection broke may have been committed.
    private Task<T> WriteAsync<T>(string sql, Func<NpgsqlCommand, CancellationToken, Task<T>> run, CancellationToken cancellationToken, params object[] values) =>
        outage.GuardAsync(token => RunAsync(sql, run, values, token), cancellationToken, mayRepeat: false);

    private async Task<T> RunAsync<T>(string sql, Func<NpgsqlCommand, CancellationToken, Task<T>> run, object[] values, CancellationToken cancellationToken)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (var value in values)
        {
            command.Parameters.Add(new() { Value = value });
        }

        var started = Stopwatch.GetTimestamp();
        var result = await run(command, cancellationToken);
        if (command.CommandTimeout > 0 && Stopwatch.GetElapsedTime(started).TotalSeconds > command.CommandTimeout)
        {
            // Npgsql sent a cancel. A commit waiting for its synchronous standby then reports success without having been replicated: treat it as failed.
            throw new TimeoutException("The command finished, but only after its timeout.");
        }

        return result;
    }
}
