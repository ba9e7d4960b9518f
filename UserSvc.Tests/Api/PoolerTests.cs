using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Npgsql;
using UserSvc.AppHost.Postgres;
using UserSvc.ServiceDefaults;

namespace UserSvc.Tests.Api;

/// <summary>The service behind a real pgbouncer, in session mode and in transaction mode.</summary>
public sealed class PoolerTests(DatabaseFaultTests.OwnPostgres postgres) : IClassFixture<DatabaseFaultTests.OwnPostgres>, IAsyncLifetime
{
    private const string Password = "a long password";

    private readonly PostgresServer _server = postgres.Server;
    private readonly string _name = $"users_{Guid.NewGuid():N}";
    private string _direct = null!;

    /// <summary>The pooler's mode, and whether the service has its statements prepared, which in transaction mode the pooler must track.</summary>
    public static TheoryData<string, bool> Modes => new() { { "session", true }, { "transaction", false }, { "transaction", true } };

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _server.CreateDatabaseAsync(_name, Cancellation);
        _direct = _server.ConnectionString(_name) + PostgresFixture.Patience;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Theory]
    [MemberData(nameof(Modes))]
    public async Task Requests_ToTwoInstances_GetTheRightAnswers(string mode, bool prepare)
    {
        await using var pooler = await StartPoolerAsync(mode, prepare);
        await using var first = Instance(pooler, prepare);
        await using var second = Instance(pooler, prepare);
        var clients = await Task.WhenAll(Task.Run(first.ReadyAsync, Cancellation), Task.Run(second.ReadyAsync, Cancellation));
        await using var third = Instance(pooler, prepare);
        var own = ("alice", Password);

        Answer[] written =
        [
            await clients[0].PutUserAsync("alice", "Alice", Password),
            await clients[1].PutUserAsync("bob", "Bob", Password),
        ];
        var read = await Task.WhenAll(Enumerable.Range(0, 80).Select(i => clients[i % 2].AnswerToGetAsync(i / 2 % 2 == 0 ? "/user/alice" : "/user/bob")));
        Answer[] changed =
        [
            await clients[1].PutUserAsync("alice", "Alice Adams", Password, own),
            await clients[0].VerifyAsync("alice", Password),
            await clients[1].AsAdministratorAsync(HttpMethod.Get, "/user"),
            await clients[0].DeleteUserAsync("bob", UserRequests.Basic("bob", Password)),
            await clients[1].AnswerToGetAsync("/user/bob"),
            await clients[1].AnswerToGetAsync("/user/health"),
        ];
        await first.DisposeAsync();
        var restarted = await (await third.ReadyAsync()).AnswerToGetAsync("/user/alice");

        Assert.Equal([Answer.User(201, "Alice"), Answer.User(201, "Bob")], written);
        Assert.Equal(Enumerable.Range(0, 80).Select(i => Answer.User(200, i / 2 % 2 == 0 ? "Alice" : "Bob")), read);
        Assert.Equal(
            [
                Answer.User(200, "Alice Adams"),
                Answer.User(200, "Alice Adams"),
                new(200, """{"ok":true,"users":[{"uuid":"UUID","name":"alice","fullname":"Alice Adams"},{"uuid":"UUID","name":"bob","fullname":"Bob"}],"next":null,"hostname":"usersvc-1","resolvedname":"127.0.0.1"}"""),
                new(204, ""),
                Answer.Problem(404, "user_not_found", "There is no such user."),
                new(200, """{"ok":true,"msg":"user health check OK","hostname":"usersvc-1","resolvedname":"127.0.0.1"}"""),
            ],
            changed);
        Assert.Equal(Answer.User(200, "Alice Adams"), restarted);
        Assert.Equal(0L, await Sql.ScalarAsync<long>(_direct, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"));
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public async Task PostgresRestarts_DuringWrites_LosesNoAcknowledgedUser(string mode, bool prepare)
    {
        await using var pooler = await StartPoolerAsync(mode, prepare);
        await using var first = Instance(pooler, prepare);
        await using var second = Instance(pooler, prepare);
        HttpClient[] clients = [await first.ReadyAsync(), await second.ReadyAsync()];
        using var stop = new CancellationTokenSource();
        var writers = Enumerable.Range(0, 4).Select(w => clients[w % 2].PutUsersAsync($"writer{w}", Password, stop.Token)).ToList();
        await Eventually.HoldsAsync(() => HasUsersAsync(20));

        await _server.StopAsync();
        await _server.StartAsync(Cancellation);
        var kept = await Sql.EventuallyScalarAsync<long>(_direct, "SELECT count(*) FROM users");
        await Eventually.HoldsAsync(() => HasUsersAsync(kept + 20));
        await stop.CancelAsync();

        var outcomes = (await Task.WhenAll(writers)).SelectMany(w => w).ToList();
        var acknowledged = outcomes.Where(o => o.Status == 201).Select(o => o.Name).ToList();
        var read = await Task.WhenAll(acknowledged.SelectMany(name => clients.Select(client => client.AnswerToGetAsync($"/user/{name}"))));
        Assert.Equal(acknowledged.SelectMany(name => clients.Select(_ => Answer.User(200, name))), read);
        Assert.Equal([], outcomes.Where(o => o.Status is not (201 or 503)));
        Assert.Equal(0L, await Sql.ScalarAsync<long>(_direct, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"));
    }

    [Fact]
    public async Task Lookup_PreparedBehindTransactionsWithoutTracking_Is503AndTheLogNamesTheSetting()
    {
        await using var pooler = await PgBouncer.StartAsync(_server, _name, "transaction");
        await using var api = Instance(pooler, prepare: true);
        var log = new LogLines();
        api.Services.GetRequiredService<ILoggerFactory>().AddProvider(log);
        var client = await api.ReadyAsync();

        await Eventually.HoldsAsync(async () => (await client.AnswerToGetAsync("/user/alice")).Status == 503);

        Assert.Equal(
            ["Error: The database does not serve this service; requests that need it get 503 (logged at most once a minute). A prepared statement is missing, or another connection's, as behind a pooler in transaction mode. Set Lookup:Prepare=false and leave Max Auto Prepare out of ConnectionStrings:users, or let the pooler track prepared statements."],
            log.Lines.Where(line => line.StartsWith("Error", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("Database", "missing", "The database of ConnectionStrings:users does not exist. Create it, or correct the name.")]
    [InlineData("Search Path", "app", "The pooler does not take search_path. Leave it out of ConnectionStrings:users and set it for the role: ALTER ROLE … SET.")]
    [InlineData("Options", "-c search_path=app", "The pooler does not take {0}. Leave it out of ConnectionStrings:users and set it for the role: ALTER ROLE … SET.")]
    public async Task Start_WithWhatThePoolerRefuses_SaysSoInOneLine(string keyword, string value, string message)
    {
        await using var pooler = await PgBouncer.StartAsync(_server, _name, "session");
        var connection = new NpgsqlConnectionStringBuilder(pooler.ConnectionString) { [keyword] = value };
        using var error = new StringWriter(CultureInfo.InvariantCulture);

        var code = await ServiceProgram.RunAsync(() => UserSvc.Api.Program.Build(ApiInstance.Arguments(connection.ConnectionString)), error).WaitAsync(Eventually.Deadline, Cancellation);

        // Versions that track statements read what is in the options, too.
        var expected = string.Format(CultureInfo.InvariantCulture, message, PgBouncer.CanTrackStatements ? "search_path" : "options");
        Assert.Equal((1, expected + Environment.NewLine), (code, error.ToString()));
    }

    private static ApiInstance Instance(PgBouncer pooler, bool prepare) => new(pooler.ConnectionString, ("Lookup:Prepare", prepare ? null : "false"));

    private Task<PgBouncer> StartPoolerAsync(string mode, bool prepare)
    {
        var track = mode == "transaction" && prepare;
        Assert.SkipUnless(PgBouncer.CanTrackStatements || !track, "pgbouncer tracks prepared statements from 1.21 on; this one is older");
        return PgBouncer.StartAsync(_server, _name, mode, track);
    }

    private async Task<bool> HasUsersAsync(long atLeast) => await Sql.EventuallyScalarAsync<long>(_direct, "SELECT count(*) FROM users") >= atLeast;
}
