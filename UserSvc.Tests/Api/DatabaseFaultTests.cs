using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Time.Testing;
using Npgsql;
using UserSvc.Api.Database;
using UserSvc.AppHost.Postgres;

namespace UserSvc.Tests.Api;

/// <summary>How the service copes when its database goes down, with a real server that is really killed.</summary>
public sealed class DatabaseFaultTests(DatabaseFaultTests.OwnPostgres postgres) : IClassFixture<DatabaseFaultTests.OwnPostgres>, IAsyncLifetime
{
    private const string Password = "a long password";

    private static readonly Answer Unavailable = Answer.Problem(503, "unavailable", "The database is not available.");

    // Advanced only by the tests: until then the background probe does not run.
    private readonly FakeTimeProvider _time = new();
    private readonly PostgresServer _server = postgres.Server;
    private string _database = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        await _server.StartAsync(Cancellation);
        var name = $"users_{Guid.NewGuid():N}";
        await _server.CreateDatabaseAsync(name, Cancellation);
        _database = _server.ConnectionString(name) + PostgresFixture.Patience;
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Start_ThreeAtOnceOnAnEmptyDatabase_CreateOneSchema()
    {
        var instances = Enumerable.Range(0, 3).Select(_ => new ApiInstance(_database)).ToList();

        await Task.WhenAll(instances.Select(i => Task.Run(i.ReadyAsync)));

        Assert.Equal(1L, await Sql.ScalarAsync<long>(_database, "SELECT count(*) FROM schema_versions"));
        foreach (var instance in instances)
        {
            await instance.DisposeAsync();
        }
    }

    [Fact]
    public async Task Start_WithoutDatabase_WaitsForItWithoutBeingReady()
    {
        await _server.StopAsync();
        await using var api = new ApiInstance(_database);
        var client = await api.StartAsync();

        var before = (await client.AnswerToGetAsync("/health"), (await client.AnswerToGetAsync("/alive")).Status, (await client.AnswerToGetAsync("/user/alice")).Status);
        await _server.StartAsync(Cancellation);
        await Eventually.HoldsAsync(async () => (await client.AnswerToGetAsync("/health")).Status == 200);

        Assert.Equal(
            (Answer.Problem(503, "unavailable", "schema: the database has not answered yet, or its schema is not in place"), 200, 503), before);
        Assert.Equal(404, (await client.AnswerToGetAsync("/user/alice")).Status);
    }

    [Fact]
    public async Task DatabaseDown_LaterRequests_Are503WithoutReconnectingWhileTheInstanceStaysReady()
    {
        await using var network = new TcpRelay(_server.Port);
        await using var api = new ApiInstance(_time, Through(network));
        var client = await api.ReadyAsync();
        await client.PutUserAsync("alice", "Alice", Password);
        await client.AnswerToGetAsync("/user/alice");
        await _server.StopAsync();

        var first = await client.AnswerToGetAsync("/user/alice");
        var asked = (network.Connections, network.Asked);
        var later = new[]
        {
            await client.AnswerToGetAsync("/user/alice"),
            await client.AnswerToGetAsync("/user/nobody"),
            await client.PutUserAsync("bob", "Bob", Password),
            await client.VerifyAsync("alice", Password),
            await client.DeleteUserAsync("alice", UserRequests.Basic("alice", Password)),
            await client.AsAdministratorAsync(HttpMethod.Get, "/user"),
        };
        var askedLater = (network.Connections, network.Asked);
        var health = (await client.AnswerToGetAsync("/health")).Status;
        await _server.StartAsync(Cancellation);

        Assert.Equal(Enumerable.Repeat(Unavailable, 7), [first, .. later]);
        Assert.Equal(asked, askedLater);
        Assert.Equal(200, health);
        await ComesBackAsync(client);
    }

    [Fact]
    public async Task DatabaseFrozen_ManyRequests_TimeOutOneQueryAndOneProbeAndComeBack()
    {
        await using var network = new TcpRelay(_server.Port);
        await using var api = new ApiInstance(_time, Through(network) + ";Command Timeout=1;Timeout=2");
        var client = await api.StartAsync();
        await Eventually.HoldsAsync(async () =>
        {
            // A busy machine may miss the connect timeout at first.
            _time.Advance(TimeSpan.FromSeconds(0.5));
            return (await client.PutUserAsync("alice", "Alice", Password)).Status is 200 or 201;
        });
        await ComesBackAsync(client);
        network.Freeze();

        var connections = network.Connections;
        var first = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => client.AnswerToGetAsync("/user/alice")));
        var later = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => client.AnswerToGetAsync("/user/alice")));
        connections = network.Connections - connections;
        network.Thaw();

        Assert.Equal(Enumerable.Repeat(Unavailable, 40), [.. first, .. later]);
        // Npgsql sends a timed-out query's cancel over at most two new connections: besides the probe, no second query timed out.
        Assert.InRange(connections, 1, 4);
        await ComesBackAsync(client);
    }

    [Theory]
    [InlineData("", 3, true, 60, 10)]
    [InlineData(";Command Timeout=7", 7, true, 60, 10)]
    [InlineData(";Tcp Keepalive=false", 3, false, 0, 0)]
    [InlineData(";Tcp Keepalive Time=0", 3, true, 0, 0)]
    public async Task Connections_WithAndWithoutASetting_HaveTheirDefaults(string setting, int commandTimeout, bool keepalive, int keepaliveTime, int keepaliveInterval)
    {
        await using var api = new ApiInstance("Host=127.0.0.1;Username=usersvc" + setting);

        var connection = new NpgsqlConnectionStringBuilder(api.Services.GetRequiredService<NpgsqlDataSource>().ConnectionString);

        Assert.Equal(("usersvc", 2, commandTimeout, 20, true), (connection.ApplicationName, connection.Timeout, connection.CommandTimeout, connection.MaxPoolSize, connection.NoResetOnClose));
        Assert.Equal((keepalive, keepaliveTime, keepaliveInterval), (connection.TcpKeepAlive, connection.TcpKeepAliveTime, connection.TcpKeepAliveInterval));
    }

    [Fact]
    public async Task Connections_SeveralHosts_GoToThePrimaryAndSkipOneThatVanished()
    {
        await using var api = new ApiInstance("Host=a:5432,b:5433;Username=usersvc");

        var dataSource = Assert.IsType<NpgsqlMultiHostDataSource>(api.Services.GetRequiredService<NpgsqlDataSource>());
        var connection = new NpgsqlConnectionStringBuilder(dataSource.ConnectionString);

        Assert.Equal(("a:5432,b:5433", "primary", 500, 2), (connection.Host, connection.TargetSessionAttributes, connection.CancellationTimeout, connection.Timeout));
    }

    [Fact]
    public async Task DatabaseRestarted_IdleLookup_ReadsOnWithoutAnError()
    {
        await using var api = new ApiInstance(_database);
        var client = await api.ReadyAsync();
        await client.PutUserAsync("alice", "Alice", Password);
        await client.AnswerToGetAsync("/user/alice");

        await _server.StopAsync();
        await _server.StartAsync(Cancellation);

        Assert.Equal(Answer.User(200, "Alice"), await client.AnswerToGetAsync("/user/alice"));
    }

    [Fact]
    public async Task DatabaseBackBeforeAnyRequest_ConcurrentRequests_AllSucceed()
    {
        await using var api = new ApiInstance(_database);
        var client = await api.ReadyAsync();
        await client.PutUserAsync("alice", "Alice", Password);
        await _server.StopAsync();
        var down = (await client.AnswerToGetAsync("/user/alice")).Status;

        await _server.StartAsync(Cancellation);
        await Eventually.HoldsAsync(() => Task.FromResult(!api.Services.GetRequiredService<DatabaseOutage>().IsDown));
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => client.AnswerToGetAsync("/user/alice")));

        Assert.Equal(503, down);
        Assert.All(answers, a => Assert.Equal(Answer.User(200, "Alice"), a));
    }

    [Fact]
    public async Task DatabaseKilledDuringWrites_LosesNoAcknowledgedUser()
    {
        await using var first = new ApiInstance(_database);
        await using var second = new ApiInstance(_database);
        var clients = new[] { await first.ReadyAsync(), await second.ReadyAsync() };
        using var stop = new CancellationTokenSource();
        var writers = Enumerable.Range(0, 8).Select(w => clients[w % 2].PutUsersAsync($"writer{w}", Password, stop.Token)).ToList();
        await Eventually.HoldsAsync(() => CountAsync(50));

        _server.Kill();
        var killed = await Sql.EventuallyScalarAsync<long>(_database, "SELECT count(*) FROM users");
        await Eventually.HoldsAsync(() => CountAsync(killed + 50));
        await stop.CancelAsync();

        var outcomes = (await Task.WhenAll(writers)).SelectMany(w => w).ToList();
        var acknowledged = outcomes.Where(o => o.Status == 201).Select(o => o.Name).ToHashSet();
        var kept = (await Sql.ColumnAsync(_database, "SELECT username FROM users")).ToHashSet();
        Assert.Equal([], acknowledged.Except(kept));
        Assert.Equal([201, 503], outcomes.Select(o => o.Status).Distinct().Order());
    }

    private string Through(TcpRelay network) => new NpgsqlConnectionStringBuilder(_database) { Port = network.Port }.ConnectionString;

    private async Task ComesBackAsync(HttpClient client) => await Eventually.HoldsAsync(async () =>
    {
        // Until the next background probe.
        _time.Advance(TimeSpan.FromSeconds(0.5));
        return await client.AnswerToGetAsync("/user/alice") == Answer.User(200, "Alice");
    });

    private async Task<bool> CountAsync(long atLeast) =>
        await Sql.EventuallyScalarAsync<long>(_database, "SELECT count(*) FROM users") >= atLeast;

    /// <summary>A server for these tests alone, which stop and kill it one after the other.</summary>
    public sealed class OwnPostgres : IAsyncLifetime
    {
        internal PostgresServer Server { get; private set; } = null!;

        public async ValueTask InitializeAsync() => Server = await TemporaryPostgres.StartAsync(Cancellation);

        public ValueTask DisposeAsync() => Server.DisposeAsync();
    }
}
