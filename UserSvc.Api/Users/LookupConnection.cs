using Npgsql;
using UserSvc.Api.Database;

namespace UserSvc.Api.Users;

/// <summary>The lookup lane's one connection with its two prepared statements; opened when first needed, and again after a failure, be it another's.</summary>
/// <remarks>Not safe for concurrent use: the lane sends one query at a time.</remarks>
internal sealed class LookupConnection(NpgsqlDataSource dataSource, DatabaseOutage outage) : IAsyncDisposable
{
    private readonly Dictionary<string, User> _found = [];
    private NpgsqlConnection? _connection;
    private int _losses;
    private NpgsqlParameter<string> _name = new();
    private NpgsqlParameter<string[]> _names = new();
    private NpgsqlCommand _one = new();
    private NpgsqlCommand _many = new();

    public Task<User?> FindAsync(string name) => RunAsync(static async (lane, name) =>
    {
        lane._name.TypedValue = name;
        await using var reader = await lane._one.ExecuteReaderAsync();
        return await reader.ReadAsync() ? Read(reader) : null;
    }, name);

    /// <summary>Sets <see cref="PendingLookup.Found"/> of each.</summary>
    public Task FindAsync(List<PendingLookup> batch) => RunAsync(static async (lane, batch) =>
    {
        var names = new string[batch.Count];
        for (var i = 0; i < names.Length; i++)
        {
            names[i] = batch[i].Name;
        }

        lane._names.TypedValue = names;
        lane._found.Clear();
        await using (var reader = await lane._many.ExecuteReaderAsync())
        {
            while (await reader.ReadAsync())
            {
                var user = Read(reader);
                lane._found[user.Name] = user;
            }
        }

        foreach (var pending in batch)
        {
            pending.Found = lane._found.GetValueOrDefault(pending.Name);
        }

        return true;
    }, batch);

    public ValueTask DisposeAsync() => CloseAsync();

    private static User Read(NpgsqlDataReader reader) => new(reader.GetGuid(0), reader.GetString(1), reader.GetString(2), reader.GetInt64(3));

    private async Task<TResult> RunAsync<TArgument, TResult>(Func<LookupConnection, TArgument, Task<TResult>> query, TArgument argument)
    {
        if (_losses != outage.Losses)
        {
            // To a primary that was found to be none any more, or not to answer: reads from it would be of old.
            await CloseAsync();
        }

        // A connection that was open may belong to a server that has been restarted since: that costs one more try, not an error.
        for (var mayRetry = _connection is not null; ; mayRetry = false)
        {
            try
            {
                if (_connection is null)
                {
                    await OpenAsync();
                }

                return await query(this, argument);
            }
            catch (Exception e)
            {
                await CloseAsync();
                if (!mayRetry || !DatabaseOutage.MayBeStale(e))
                {
                    throw;
                }
            }
        }
    }

    private async Task OpenAsync()
    {
        _losses = outage.Losses;
        _connection = await dataSource.OpenConnectionAsync();
        (_one, _name) = await PrepareAsync<string>("SELECT uuid, username, fullname, version FROM users WHERE username = $1");
        (_many, _names) = await PrepareAsync<string[]>("SELECT uuid, username, fullname, version FROM users WHERE username = ANY($1)");
    }

    private async Task<(NpgsqlCommand Command, NpgsqlParameter<T> Parameter)> PrepareAsync<T>(string sql)
    {
        var parameter = new NpgsqlParameter<T>();
        var command = new NpgsqlCommand(sql, _connection) { Parameters = { parameter } };
        parameter.NpgsqlDbType = typeof(T) == typeof(string) ? NpgsqlTypes.NpgsqlDbType.Text : NpgsqlTypes.NpgsqlDbType.Array | NpgsqlTypes.NpgsqlDbType.Text;
        await command.PrepareAsync();
        return (command, parameter);
    }

    private async ValueTask CloseAsync()
    {
        if (_connection is { } connection)
        {
            _connection = null;
            await connection.DisposeAsync();
        }
    }
}
