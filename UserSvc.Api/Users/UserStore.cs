using System.Diagnostics;
using Npgsql;
using UserSvc.Api.Database;

namespace UserSvc.Api.Users;

/// <summary>All SQL but the lookup's. Every method throws <see cref="ServiceDefaults.UnavailableException"/> while the database is away.</summary>
internal sealed class UserStore(NpgsqlDataSource dataSource, DatabaseOutage outage)
{
    /// <returns>Null when the name is taken.</returns>
    public Task<User?> CreateAsync(string name, string fullname, string passwordHash, CancellationToken cancellationToken) => OneAsync(
        """
        INSERT INTO users (uuid, username, fullname, password_hash) VALUES ($1, $2, $3, $4)
        ON CONFLICT (username) DO NOTHING
        RETURNING uuid, username, fullname, version
        """,
        ReadUser, cancellationToken, Guid.CreateVersion7(), name, fullname, passwordHash);

    public Task<(User User, string PasswordHash)?> FindWithHashAsync(string name, CancellationToken cancellationToken) =>
        OneValueAsync("SELECT uuid, username, fullname, version, password_hash FROM users WHERE username = $1",
            reader => (ReadUser(reader), reader.GetString(4)), cancellationToken, name);

    /// <summary>Waits, as every write does, until the primary's synchronous standby has all that was read: a row that is merely visible may be lost with the primary.</summary>
    /// <returns>False when the user has changed since it was read.</returns>
    public async Task<bool> ConfirmAsync(User user, CancellationToken cancellationToken) => await OneAsync(
        "SELECT uuid, username, fullname, version FROM users WHERE uuid = $1 AND version = $2 FOR KEY SHARE",
        ReadUser, cancellationToken, user.Uuid, user.Version) is not null;

    /// <returns>Null when the user has changed since <paramref name="user"/> was read.</returns>
    public Task<User?> ReplaceAsync(User user, string fullname, string passwordHash, CancellationToken cancellationToken) => OneAsync(
        """
        UPDATE users SET fullname = $3, password_hash = $4, version = version + 1, updated_at = now()
        WHERE uuid = $1 AND version = $2
        RETURNING uuid, username, fullname, version
        """,
        ReadUser, cancellationToken, user.Uuid, user.Version, fullname, passwordHash);

    /// <summary>Stores the same password under new parameters, unless it has been changed meanwhile. No new version: nothing a reader sees changes.</summary>
    public Task<int> RehashAsync(Guid uuid, string oldHash, string newHash, CancellationToken cancellationToken) => ExecuteAsync(
        "UPDATE users SET password_hash = $3 WHERE uuid = $1 AND password_hash = $2", cancellationToken, uuid, oldHash, newHash);

    public async Task<bool> DeleteAsync(string name, CancellationToken cancellationToken) =>
        await ExecuteAsync("DELETE FROM users WHERE username = $1", cancellationToken, name) == 1;

    /// <returns>False when the user has changed since it was read, by which its credentials may have.</returns>
    public async Task<bool> DeleteAsync(User user, CancellationToken cancellationToken) =>
        await ExecuteAsync("DELETE FROM users WHERE uuid = $1 AND version = $2", cancellationToken, user.Uuid, user.Version) == 1;

    public Task<List<User>> ListAsync(string after, int limit, CancellationToken cancellationToken) => RunAsync(
        "SELECT uuid, username, fullname, version FROM users WHERE username > $1 ORDER BY username LIMIT $2",
        async command =>
        {
            var users = new List<User>(limit);
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                users.Add(ReadUser(reader));
            }

            return users;
        },
        cancellationToken, after, limit);

    private static User ReadUser(NpgsqlDataReader reader) =>
        new(reader.GetGuid(0), reader.GetString(1), reader.GetString(2), reader.GetInt64(3));

    private Task<int> ExecuteAsync(string sql, CancellationToken cancellationToken, params object[] values) =>
        RunAsync(sql, command => command.ExecuteNonQueryAsync(cancellationToken), cancellationToken, values);

    private Task<T?> OneAsync<T>(string sql, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken, params object[] values)
        where T : class => RunAsync(sql, async command =>
        {
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            return await reader.ReadAsync(cancellationToken) ? read(reader) : null;
        }, cancellationToken, values);

    private Task<T?> OneValueAsync<T>(string sql, Func<NpgsqlDataReader, T> read, CancellationToken cancellationToken, params object[] values)
        where T : struct => RunAsync(sql, async command =>
        {
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            return await reader.ReadAsync(cancellationToken) ? read(reader) : (T?)null;
        }, cancellationToken, values);

    private async Task<T> RunAsync<T>(string sql, Func<NpgsqlCommand, Task<T>> run, CancellationToken cancellationToken, params object[] values)
    {
        var losses = outage.ThrowIfAway();
        // A write whose connection broke may have been done.
        for (var mayRetry = sql.StartsWith("SELECT", StringComparison.Ordinal); ; mayRetry = false)
        {
            try
            {
                await using var connection = await dataSource.OpenConnectionAsync(cancellationToken);
                await using var command = new NpgsqlCommand(sql, connection);
                foreach (var value in values)
                {
                    command.Parameters.Add(new() { Value = value });
                }

                var started = Stopwatch.GetTimestamp();
                var result = await run(command);
                if (command.CommandTimeout > 0 && Stopwatch.GetElapsedTime(started).TotalSeconds > command.CommandTimeout)
                {
                    // Npgsql has asked the server to cancel it. One that waited for its synchronous standby then waits no more, and says that all is well.
                    throw new TimeoutException("The command was done, but not within its time.");
                }

                outage.Recovered();
                return result;
            }
            catch (Exception e) when (mayRetry && DatabaseOutage.MayBeStale(e))
            {
                dataSource.Clear();
            }
            catch (Exception e) when (DatabaseOutage.Is(e))
            {
                throw outage.Report(e, losses);
            }
        }
    }
}
