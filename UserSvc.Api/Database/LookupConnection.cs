using Npgsql;
using NpgsqlTypes;

namespace UserSvc.Api.Database;

/// <summary>The lookup's one connection with its two statements. Opened when first needed, and again after any failure.</summary>
/// <remarks>Not safe for concurrent use: the lookup sends one query at a time.</remarks>
internal sealed class LookupConnection(NpgsqlDataSource dataSource, DatabaseOutage outage, bool prepare) : IAsyncDisposable
{
    private readonly Dictionary<string, User> _found = [];
    private NpgsqlConnection? _connection;
    private NpgsqlParameter<string> _name = new();
    private NpgsqlParameter<string[]> _names = new();
    private NpgsqlCommand _one = new();
    private NpgsqlCommand _many = new();
    private int _generation;
    // Set when a query succeeds, cleared when the next one begins.
    private bool _succeeded;

    // Another generation: the primary was demoted or stopped answering; reads here could be stale.
    private bool IsUsable => _succeeded && _generation == outage.Generation;

    public Task<User?> FindAsync(string name) => outage.GuardAsync(static async call =>
    {
        var (lookup, name) = call;
        await lookup.BeginAsync();
        lookup._name.TypedValue = name;
        User? user;
        await using (var reader = await lookup._one.ExecuteReaderAsync())
        {
            user = await reader.ReadAsync() ? User.Read(reader) : null;
        }

        lookup._succeeded = true;
        return user;
    }, (this, name), mayRepeat: true);

    /// <summary>Sets <see cref="PendingLookup.Found"/> of each.</summary>
    public Task FindAsync(List<PendingLookup> batch) => outage.GuardAsync(static async call =>
    {
        var (lookup, batch) = call;
        await lookup.BeginAsync();
        var names = new string[batch.Count];
        for (var i = 0; i < names.Length; i++)
        {
            names[i] = batch[i].Name;
        }

        lookup._names.TypedValue = names;
        lookup._found.Clear();
        await using (var reader = await lookup._many.ExecuteReaderAsync())
        {
            while (await reader.ReadAsync())
            {
                var user = User.Read(reader);
                lookup._found[user.Name] = user;
            }
        }

        foreach (var pending in batch)
        {
            pending.Found = lookup._found.GetValueOrDefault(pending.Name);
        }

        lookup._succeeded = true;
        return true;
    }, (this, batch), mayRepeat: true);

    public ValueTask DisposeAsync() => _connection?.DisposeAsync() ?? default;

    private async ValueTask BeginAsync()
    {
        var usable = IsUsable;
        _succeeded = false;
        if (!usable)
        {
            await DisposeAsync();
            _generation = outage.Generation;
            _connection = await dataSource.OpenConnectionAsync();
            (_one, _name) = await CreateAsync<string>($"SELECT {User.Columns} FROM users WHERE username = $1", NpgsqlDbType.Text);
            (_many, _names) = await CreateAsync<string[]>($"SELECT {User.Columns} FROM users WHERE username = ANY($1)", NpgsqlDbType.Array | NpgsqlDbType.Text);
        }
    }

    private async Task<(NpgsqlCommand Command, NpgsqlParameter<T> Parameter)> CreateAsync<T>(string sql, NpgsqlDbType type)
    {
        var parameter = new NpgsqlParameter<T> { NpgsqlDbType = type };
        var command = new NpgsqlCommand(sql, _connection) { Parameters = { parameter } };
        if (prepare)
        {
            await command.PrepareAsync();
        }

        return (command, parameter);
    }
}
