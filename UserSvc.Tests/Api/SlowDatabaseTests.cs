using Microsoft.Extensions.DependencyInjection;
using UserSvc.Api.Database;

namespace UserSvc.Tests.Api;

/// <summary>The database is there, but answers late, holds locks or drops a connection: the request concerned fails, and it is not an outage.</summary>
public sealed class SlowDatabaseTests(PostgresFixture postgres) : IAsyncLifetime
{
    private const string Password = "a long password";

    private static readonly (Answer, bool) NotInTime = (Answer.Problem(503, "overloaded", "The database did not answer in time."), true);

    private string _database = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _database = await postgres.CreateDatabaseAsync();
        await using var api = new ApiInstance(_database);
        var client = await api.ReadyAsync();
        await client.PutUserAsync("alice", "Alice", Password);
        // The connections of this instance may take a moment to end.
        _database += ";Application Name=tested";
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Theory]
    [InlineData(";Command Timeout=1")]
    [InlineData(";Options=-c lock_timeout=100ms")]
    [InlineData(";Options=-c statement_timeout=1s")]
    public async Task Read_TableLocked_Is503MarkedAsOverloadAndNoOutage(string limit)
    {
        await using var api = new ApiInstance(_database + limit);
        var client = await api.ReadyAsync();
        await using var slow = await SlowDatabase.BeginAsync(_database);

        var held = await MarkedAsync(client.GetAsync(new Uri("/user/alice", UriKind.Relative), Cancellation));
        await slow.EndAsync();

        Assert.Equal(NotInTime, held);
        Assert.Equal(Answer.User(200, "Alice"), await client.AnswerToGetAsync("/user/alice"));
        NoOutage(api);
    }

    [Fact]
    public async Task Write_RowLocked_Is503MarkedAsOverloadWhileReadsGoOn()
    {
        await using var api = new ApiInstance(_database + ";Command Timeout=1");
        var client = await api.ReadyAsync();
        await using var slow = await SlowDatabase.BeginAsync(_database, "SHARE");

        var write = PutAsync(client, "bob");
        await slow.HasBlockedAsync();
        var read = await client.AnswerToGetAsync("/user/alice");

        Assert.Equal((NotInTime, Answer.User(200, "Alice")), (await write, read));
        Assert.Equal(Answer.User(200, "Alice"), await client.AnswerToGetAsync("/user/alice"));
        NoOutage(api);
    }

    [Fact]
    public async Task Connections_AllInUse_Is503MarkedAsOverloadWhileReadsGoOn()
    {
        await using var api = new ApiInstance(_database + ";Maximum Pool Size=2;Timeout=1");
        var client = await api.ReadyAsync();
        await Eventually.HoldsAsync(async () => (await client.AnswerToGetAsync("/user/alice")).Status == 200);
        await using var slow = await SlowDatabase.BeginAsync(_database, "SHARE");
        var first = PutAsync(client, "bob");
        await slow.HasBlockedAsync();

        var second = PutAsync(client, "carol");
        var reads = new HashSet<Answer>();
        while (!second.IsCompleted)
        {
            reads.Add(await client.AnswerToGetAsync("/user/alice"));
        }

        await slow.EndAsync();
        Assert.Equal(NotInTime, await second);
        Assert.Equal([Answer.User(200, "Alice")], reads);
        Assert.Equal((Answer.User(201, "bob"), false), await first);
        NoOutage(api);
    }

    [Fact]
    public async Task LookupConnection_Lost_IsReplaced()
    {
        await using var api = new ApiInstance(_database);
        var client = await api.ReadyAsync();
        await client.AnswerToGetAsync("/user/alice");
        await TerminateAsync("query LIKE '%WHERE username = ANY($1)'");

        var read = await client.AnswerToGetAsync("/user/alice");

        Assert.Equal(Answer.User(200, "Alice"), read);
        NoOutage(api);
    }

    [Fact]
    public async Task Connections_EndedForBeingIdle_AreReplaced()
    {
        Assert.SkipUnless(await Sql.ScalarAsync<int>(_database, "SELECT current_setting('server_version_num')::int") >= 140000, "PostgreSQL 13 has no idle_session_timeout.");
        await using var api = new ApiInstance(_database + ";Options=-c idle_session_timeout=500ms");
        var client = await api.ReadyAsync();
        await Task.WhenAll(client.AnswerToGetAsync("/user/alice"), client.VerifyAsync("alice", Password), client.VerifyAsync("alice", Password));
        await Eventually.HoldsAsync(async () => (await BackendsAsync()).Count == 0);

        var read = await client.AnswerToGetAsync("/user/alice");

        Assert.Equal(Answer.User(200, "Alice"), read);
        NoOutage(api);
    }

    [Fact]
    public async Task WriteConnection_Lost_FailsOneWriteAndReadsGoOn()
    {
        await using var api = new ApiInstance(_database + ";Maximum Pool Size=2");
        var client = await api.ReadyAsync();
        await client.AnswerToGetAsync("/user/alice");
        await using var slow = await SlowDatabase.BeginAsync(_database, "SHARE");
        var write = PutAsync(client, "bob");
        await slow.HasBlockedAsync();
        await TerminateAsync("query LIKE 'INSERT%'");

        var lost = await write;
        var read = await client.AnswerToGetAsync("/user/alice");
        await slow.EndAsync();
        var again = await PutAsync(client, "bob");

        // Not marked: a proxy may send it to another instance, whose connections are likely to be alive.
        Assert.Equal((Answer.Problem(503, "unavailable", "The connection to the database was lost."), false), lost);
        Assert.Equal((Answer.User(200, "Alice"), (Answer.User(201, "bob"), false)), (read, again));
        NoOutage(api);
    }

    [Theory]
    [InlineData("PUT")]
    [InlineData("DELETE")]
    public async Task Write_UserModifiedByOthersEachTime_Is503MarkedAsOverload(string method)
    {
        await using var api = new ApiInstance(_database);
        var client = await api.ReadyAsync();
        // As if somebody else had always been faster.
        await Sql.ColumnAsync(_database, "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'");
        await Sql.ColumnAsync(_database, "CREATE TRIGGER lose BEFORE UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION lose()");

        using var request = new HttpRequestMessage(new(method), "/user/alice")
        {
            Content = method == "PUT" ? UserRequests.Json(new { fullname = "Alicia", password = Password }) : null,
            Headers = { Authorization = UserRequests.Basic("alice", Password) },
        };
        var answer = await MarkedAsync(client.SendAsync(request, Cancellation));

        Assert.Equal((Answer.Problem(503, "overloaded", "The user was modified concurrently; try again."), true), answer);
    }

    private static void NoOutage(ApiInstance api)
    {
        var outage = api.Services.GetRequiredService<DatabaseOutage>();
        // The generation is the number of times that all connections were abandoned.
        Assert.Equal((false, 0), (outage.IsDown, outage.Generation));
    }

    private static Task<(Answer Answer, bool Overloaded)> PutAsync(HttpClient client, string name) =>
        MarkedAsync(client.PutAsync(new Uri($"/user/{name}", UriKind.Relative), UserRequests.Json(new { fullname = name, password = Password }), Cancellation));

    private static async Task<(Answer Answer, bool Overloaded)> MarkedAsync(Task<HttpResponseMessage> sent)
    {
        using var response = await sent;
        return (await Answer.ReadAsync(response), response.Headers.Contains("x-envoy-overloaded"));
    }

    private Task<List<string>> BackendsAsync(string which = "true") =>
        Sql.ColumnAsync(_database, $"SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tested' AND pid <> pg_backend_pid() AND {which}");

    private async Task TerminateAsync(string which)
    {
        var terminated = Assert.Single(await BackendsAsync(which));
        await Sql.ScalarAsync<bool>(_database, $"SELECT pg_terminate_backend({terminated})");
        // PostgreSQL 13 cannot be told to wait for the end.
        await Eventually.HoldsAsync(async () => (await BackendsAsync($"pid = {terminated}")).Count == 0);
    }
}
