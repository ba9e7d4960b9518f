using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using UserSvc.Api.Database;
using UserSvc.AppHost.Postgres;

namespace UserSvc.Tests.Api;

/// <summary>What becomes of the service when its database goes, with a real server that is really killed.</summary>
public sealed class DatabaseFaultTests : IAsyncLifetime
{
    private const string Password = "a long password";

    private PostgresServer _server = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _server = await TemporaryPostgres.StartAsync(Cancellation);
        await _server.CreateDatabaseAsync("users", Cancellation);
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Start_ThreeAtOnceOnAnEmptyDatabase_MakeOneSchema()
    {
        var instances = Enumerable.Range(0, 3).Select(_ => new ApiInstance(_server.ConnectionString("users"))).ToList();

        await Task.WhenAll(instances.Select(i => Task.Run(i.ReadyAsync)));

        Assert.Equal(1L, await Sql.ScalarAsync<long>(_server.ConnectionString("users"), "SELECT count(*) FROM schema_versions"));
        foreach (var instance in instances)
        {
            await instance.DisposeAsync();
        }
    }

    [Fact]
    public async Task Start_WithoutDatabase_WaitsForItWithoutBeingReady()
    {
        await _server.StopAsync();
        await using var api = new ApiInstance(_server.ConnectionString("users"));
        var client = await api.StartAsync();

        var before = (await client.AnswerToGetAsync("/health"), (await client.AnswerToGetAsync("/alive")).Status, (await client.AnswerToGetAsync("/user/alice")).Status);
        await _server.StartAsync(Cancellation);
        await Eventually.HoldsAsync(async () => (await client.AnswerToGetAsync("/health")).Status == 200);

        Assert.Equal(
            (Answer.Problem(503, "Service Unavailable", "schema: the database has not answered with its schema in place yet"), 200, 503), before);
        Assert.Equal(404, (await client.AnswerToGetAsync("/user/alice")).Status);
    }

    [Fact]
    public async Task DatabaseAway_Requests503AtOnceWhileTheInstanceStaysReady()
    {
        await using var api = new ApiInstance(_server.ConnectionString("users"));
        var client = await api.ReadyAsync();
        await client.PutUserAsync("alice", "Alice", Password);
        await client.AnswerToGetAsync("/user/alice");
        await _server.StopAsync();

        var clock = Stopwatch.StartNew();
        var away = new[]
        {
            await client.AnswerToGetAsync("/user/alice"),
            await client.AnswerToGetAsync("/user/nobody"),
            await client.PutUserAsync("bob", "Bob", Password),
            await client.VerifyAsync("alice", Password),
            await client.DeleteUserAsync("alice", UserRequests.Basic("alice", Password)),
            await client.AsAdministratorAsync(HttpMethod.Get, "/user"),
        };
        var took = clock.Elapsed;
        var health = (await client.AnswerToGetAsync("/health")).Status;
        await _server.StartAsync(Cancellation);

        Assert.Equal(Enumerable.Repeat(Answer.Problem(503, "Service Unavailable", "The database is not available."), 6), away);
        Assert.Equal(200, health);
        Assert.True(took < TimeSpan.FromSeconds(3), $"six refusals took {took}");
        await Eventually.HoldsAsync(async () => await client.AnswerToGetAsync("/user/alice") == Answer.User(200, "Alice"));
    }

    [Fact]
    public async Task DatabaseFrozen_Requests503InTimeThenAtOnceAndComeBack()
    {
        await using var network = new TcpRelay(_server.Port);
        var throughIt = new NpgsqlConnectionStringBuilder(_server.ConnectionString("users")) { Port = network.Port }.ConnectionString;
        await using var api = new ApiInstance(throughIt);
        var client = await api.ReadyAsync();
        await client.PutUserAsync("alice", "Alice", Password);
        network.Freeze();

        var clock = Stopwatch.StartNew();
        var first = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => client.AnswerToGetAsync("/user/alice")));
        var firstTook = clock.Elapsed;
        clock.Restart();
        var later = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => client.AnswerToGetAsync("/user/alice")));
        var laterTook = clock.Elapsed;
        network.Thaw();

        Assert.All([.. first, .. later], a => Assert.Equal(Answer.Problem(503, "Service Unavailable", "The database is not available."), a));
        Assert.True(firstTook < TimeSpan.FromSeconds(8), $"the first refusals took {firstTook}");
        Assert.True(laterTook < TimeSpan.FromSeconds(4), $"the later refusals took {laterTook}");
        await Eventually.HoldsAsync(async () => await client.AnswerToGetAsync("/user/alice") == Answer.User(200, "Alice"));
    }

    [Fact]
    public async Task Connections_AsShipped_HaveTheirDefaults()
    {
        await using var api = new ApiInstance(_server.ConnectionString("users") + ";Command Timeout=7");
        await api.ReadyAsync();

        var connection = new NpgsqlConnectionStringBuilder(api.Services.GetRequiredService<NpgsqlDataSource>().ConnectionString);

        Assert.Equal(("usersvc", 2, 7, 20, 20), (connection.ApplicationName, connection.Timeout, connection.CommandTimeout, connection.MaxPoolSize, connection.MaxAutoPrepare));
    }

    [Fact]
    public async Task Connections_SeveralHosts_AreToThePrimaryAndPassOverOneThatVanished()
    {
        await using var api = new ApiInstance("Host=a:5432,b:5433;Username=usersvc");

        var dataSource = Assert.IsType<NpgsqlMultiHostDataSource>(api.Services.GetRequiredService<NpgsqlDataSource>());
        var connection = new NpgsqlConnectionStringBuilder(dataSource.ConnectionString);

        Assert.Equal(("a:5432,b:5433", "primary", 500, 2), (connection.Host, connection.TargetSessionAttributes, connection.CancellationTimeout, connection.Timeout));
    }

    [Fact]
    public async Task DatabaseRestarted_IdleReadLane_ReadsOnWithoutAnError()
    {
        await using var api = new ApiInstance(_server.ConnectionString("users"));
        var client = await api.ReadyAsync();
        await client.PutUserAsync("alice", "Alice", Password);
        await client.AnswerToGetAsync("/user/alice");

        await _server.StopAsync();
        await _server.StartAsync(Cancellation);

        Assert.Equal(Answer.User(200, "Alice"), await client.AnswerToGetAsync("/user/alice"));
    }

    [Fact]
    public async Task DatabaseBackWhileNoRequestCame_RequestsAtOnceAllSucceed()
    {
        await using var api = new ApiInstance(_server.ConnectionString("users"));
        var client = await api.ReadyAsync();
        await client.PutUserAsync("alice", "Alice", Password);
        await _server.StopAsync();
        var away = (await client.AnswerToGetAsync("/user/alice")).Status;

        await _server.StartAsync(Cancellation);
        await Eventually.HoldsAsync(() => Task.FromResult(!api.Services.GetRequiredService<DatabaseOutage>().IsAway));
        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => client.AnswerToGetAsync("/user/alice")));

        Assert.Equal(503, away);
        Assert.All(answers, a => Assert.Equal(Answer.User(200, "Alice"), a));
    }

    [Fact]
    public async Task DatabaseKilledDuringWrites_LosesNoAcknowledgedUser()
    {
        await using var first = new ApiInstance(_server.ConnectionString("users"));
        await using var second = new ApiInstance(_server.ConnectionString("users"));
        var clients = new[] { await first.ReadyAsync(), await second.ReadyAsync() };
        using var stop = new CancellationTokenSource();
        var writers = Enumerable.Range(0, 8).Select(w => WriteAsync(clients[w % 2], $"writer{w}", stop.Token)).ToList();
        await Eventually.HoldsAsync(() => CountAsync(50));

        _server.Kill();
        var killed = await Sql.EventuallyScalarAsync<long>(_server.ConnectionString("users"), "SELECT count(*) FROM users");
        await Eventually.HoldsAsync(() => CountAsync(killed + 50));
        await stop.CancelAsync();

        var outcomes = (await Task.WhenAll(writers)).SelectMany(w => w).ToList();
        var acknowledged = outcomes.Where(o => o.Status == 201).Select(o => o.Name).ToHashSet();
        var kept = (await Sql.ColumnAsync(_server.ConnectionString("users"), "SELECT username FROM users")).ToHashSet();
        Assert.Equal([], acknowledged.Except(kept));
        Assert.Equal([201, 503], outcomes.Select(o => o.Status).Distinct().Order());
    }

    private static async Task<List<(string Name, int Status)>> WriteAsync(HttpClient client, string prefix, CancellationToken stop)
    {
        var outcomes = new List<(string, int)>();
        for (var i = 0; !stop.IsCancellationRequested; i++)
        {
            var name = $"{prefix}.{i}";
            outcomes.Add((name, (await client.PutUserAsync(name, name, Password)).Status));
        }

        return outcomes;
    }

    private async Task<bool> CountAsync(long atLeast) =>
        await Sql.EventuallyScalarAsync<long>(_server.ConnectionString("users"), "SELECT count(*) FROM users") >= atLeast;
}
