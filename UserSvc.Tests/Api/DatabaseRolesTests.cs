using System.Globalization;
using System.Text.RegularExpressions;
using Npgsql;
using UserSvc.ServiceDefaults;
using UserSvc.Tests.AppHost;

namespace UserSvc.Tests.Api;

/// <summary>The roles that docs/api.md describes, and the settings that an administrator may give them.</summary>
public sealed partial class DatabaseRolesTests(PostgresFixture postgres)
{
    private const string Password = "a long password";

    private static readonly (string, string?) MigrateOnly = ("Schema:MigrateOnly", "true");

    [Fact]
    public async Task Roles_InTheDocs_OneMigratesAndOneServes()
    {
        var docs = SqlBlocks().Matches(await File.ReadAllTextAsync(Manifest.RepositoryFile("docs/api.md"), TestContext.Current.CancellationToken))
            .Select(block => block.Groups["sql"].Value.Replace("users_owner", "{role}_owner", StringComparison.Ordinal).Replace("usersvc", "{role}", StringComparison.Ordinal).Replace("…", "secret", StringComparison.Ordinal))
            .ToList();
        var database = await CreateAsync(docs[0]);

        var tooEarly = await RunAsync(database.Role);
        var owner = await RunAsync(database.Owner, MigrateOnly);
        var withoutGrants = await RunAsync(database.Role);
        await Sql.ExecuteAsync(database.Owner, docs[1].Replace("{role}", database.Name, StringComparison.Ordinal));
        await using var api = new ApiInstance(database.Role);
        var client = await api.ReadyAsync();

        Assert.Equal(2, docs.Count);
        Assert.Equal(Mistake($"The role {database.Name} may not create the tables. Start an instance as their owner first, or GRANT CREATE, USAGE ON SCHEMA users TO {database.Name}."), tooEarly);
        Assert.Equal((0, ""), owner);
        Assert.Equal(Mistake($"The role {database.Name} lacks a privilege. GRANT SELECT ON users.schema_versions TO {database.Name}."), withoutGrants);
        Assert.Equal([201, 200, 200, 200, 204], await UseAsync(client));
    }

    [Fact]
    public async Task Role_ThatMayOnlyRead_IsToldTheGrant()
    {
        var database = await CreateAsync("CREATE ROLE {role} LOGIN PASSWORD 'secret'", "CREATE ROLE {role}_owner LOGIN PASSWORD 'secret'", "CREATE SCHEMA AUTHORIZATION {role}_owner",
            "GRANT USAGE ON SCHEMA {role}_owner TO {role}", "ALTER ROLE {role} SET search_path = {role}_owner");
        await RunAsync(database.Owner, MigrateOnly);
        await Sql.ExecuteAsync(database.Owner, $"GRANT SELECT ON ALL TABLES IN SCHEMA {database.Name}_owner TO {database.Name}");

        Assert.Equal(Mistake($"The role {database.Name} lacks privileges. GRANT INSERT, UPDATE, DELETE ON {database.Name}_owner.users TO {database.Name}."), await RunAsync(database.Role));
    }

    [Fact]
    public async Task SearchPath_OfAnyRole_HoldsBothTablesInItsFirstSchema()
    {
        var database = await CreateAsync("CREATE ROLE {role} LOGIN PASSWORD 'secret'", "CREATE SCHEMA \"My App\" AUTHORIZATION {role}", "ALTER ROLE {role} SET search_path = \"My App\", public");
        await using var api = new ApiInstance(database.Role);

        await api.ReadyAsync();

        Assert.Equal(["My App.schema_versions", "My App.users"],
            await Sql.ColumnAsync(database.Role, "SELECT schemaname || '.' || tablename FROM pg_tables WHERE tableowner = current_user ORDER BY 1"));
    }

    [Fact]
    public async Task Role_ThatMayNotCreate_IsToldTheGrant()
    {
        var database = await CreateAsync("CREATE ROLE {role} LOGIN PASSWORD 'secret'", "REVOKE CREATE ON SCHEMA public FROM PUBLIC");

        Assert.Equal(
            Mistake($"The role {database.Name} may not create the tables. Start an instance as their owner first, or GRANT CREATE, USAGE ON SCHEMA public TO {database.Name}."),
            await RunAsync(database.Role));
    }

    [Theory]
    [InlineData("default_transaction_read_only = on", 503, 404)]
    [InlineData("default_transaction_isolation = serializable", 201, 200)]
    [InlineData("statement_timeout = '20s'", 201, 200)]
    public async Task Role_WithASetting_IsServedAsFarAsItAllows(string setting, int put, int get)
    {
        var database = await CreateAsync("CREATE ROLE {role} LOGIN PASSWORD 'secret'", "CREATE SCHEMA AUTHORIZATION {role}");
        await RunAsync(database.Role, MigrateOnly);
        await Sql.ExecuteAsync(database.Role, $"ALTER ROLE {database.Name} SET {setting}");
        await using var api = new ApiInstance(database.Role);
        var client = await api.ReadyAsync();

        Assert.Equal((put, get), ((await client.PutUserAsync("alice", "Alice", Password)).Status, (await client.AnswerToGetAsync("/user/alice")).Status));
    }

    [Fact]
    public async Task Write_RolledBackUnderSerializable_IsSentAgain()
    {
        var database = await CreateAsync("CREATE ROLE {role} LOGIN PASSWORD 'secret'", "CREATE SCHEMA AUTHORIZATION {role}", "ALTER ROLE {role} SET default_transaction_isolation = serializable");
        await using var api = new ApiInstance(database.Role);
        var client = await api.ReadyAsync();
        await using var other = new NpgsqlConnection(database.Role);
        await other.OpenAsync(TestContext.Current.CancellationToken);
        await ExecuteAsync("BEGIN; INSERT INTO users (uuid, username, fullname, password_hash) VALUES (gen_random_uuid(), 'alice', 'Alice', 'hash')");

        var put = client.PutUserAsync("alice", "Alicia", Password);
        await Eventually.HoldsAsync(() => Sql.ScalarAsync<bool>(database.Role, "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND usename = current_user)"));
        await ExecuteAsync("COMMIT");

        Assert.Equal(409, (await put).Status);

        async Task ExecuteAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, other);
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }
    }

    private static (int Code, string Error) Mistake(string line) => (1, line + Environment.NewLine);

    private async Task<(string Name, string Role, string Owner)> CreateAsync(params string[] statements)
    {
        var database = new NpgsqlConnectionStringBuilder(await postgres.CreateDatabaseAsync());
        var role = $"role_{Guid.NewGuid():N}";
        foreach (var statement in statements)
        {
            await Sql.ExecuteAsync(database.ConnectionString, statement.Replace("{role}", role, StringComparison.Ordinal));
        }

        return (role, Of(role), Of($"{role}_owner"));

        string Of(string name) => new NpgsqlConnectionStringBuilder(database.ConnectionString) { Username = name, Password = "secret" }.ConnectionString;
    }

    private static async Task<(int Code, string Error)> RunAsync(string connectionString, params (string, string?)[] settings)
    {
        using var error = new StringWriter(CultureInfo.InvariantCulture);
        return (await ServiceProgram.RunAsync(() => UserSvc.Api.Program.Build(ApiInstance.Arguments(connectionString, settings)), error), error.ToString());
    }

    [GeneratedRegex("^```sql\r?\n(?<sql>.*?)^```", RegexOptions.Multiline | RegexOptions.Singleline)]
    private static partial Regex SqlBlocks();

    private static async Task<List<int>> UseAsync(HttpClient client) =>
    [
        (await client.PutUserAsync("alice", "Alice", Password)).Status,
        (await client.PutUserAsync("alice", "Alice", Password)).Status,
        (await client.AnswerToGetAsync("/user/alice")).Status,
        (await client.VerifyAsync("alice", Password)).Status,
        (await client.DeleteUserAsync("alice", UserRequests.Basic("alice", Password))).Status,
    ];
}
