using Npgsql;
using NpgsqlTypes;

namespace UserSvc.Api.Database;

/// <summary>The lookup's one connection with its statement. Opened when first needed, and again after any failure.</summary>
/// <remarks>Not safe for concurrent use: the lookup sends one query at a time.</remarks>
internal sealed class LookupConnection(NpgsqlDataSource dataSource, DatabaseOutage outage, bool prepare) : IAsyncDisposable
{
    private readonly Dictionary<string, User> _found = [];
    private NpgsqlConnection? _connection;
    private NpgsqlParameter<string[]> _names = new();
    private NpgsqlCommand _select = new();
    private int _generation;
    // Set when a query succeeds, cleared when the next one begins.
    private bool _succeeded;

    // Another generation: the primary was demoted or stopped answering; reads here could be stale.
    private bool IsUsable => _succeeded && _generation == outage.Generation;

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
        await using (var reader = await lookup._select.ExecuteReaderAsync())
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
            _names = new() { NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };
            _select = new($"SELECT {User.Columns} FROM users WHERE username = ANY($1)", _connection) { Parameters = { _names } };
            if (prepare)
            {
                await _select.PrepareAsync();
            }
        }
    }
}
