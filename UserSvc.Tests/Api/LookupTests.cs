using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using UserSvc.Api.Database;

namespace UserSvc.Tests.Api;

public sealed class LookupTests(PostgresFixture postgres) : IAsyncLifetime
{
    private string _database = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _database = await postgres.CreateDatabaseAsync();
        await using var api = new ApiInstance(_database);
        await api.ReadyAsync();
        await Sql.ScalarAsync<long>(_database,
            """
            WITH made AS (
                INSERT INTO users (uuid, username, fullname, password_hash)
                SELECT gen_random_uuid(), 'user' || i, 'User ' || i, 'x' FROM generate_series(1, 1000) i RETURNING 1)
            SELECT count(*) FROM made
            """);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    [Fact]
    public async Task Get_ThousandAtOnce_EachGetsItsUserFromFewerQueries()
    {
        await using var api = new ApiInstance(_database);
        var client = await api.ReadyAsync();
        var (queries, lookups) = (0, 0);
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, l) =>
        {
            if (instrument.Name == "usersvc.lookup.batch.size" && instrument.Meter.Scope == api.Services.GetRequiredService<IMeterFactory>())
            {
                l.EnableMeasurementEvents(instrument);
            }
        };
        listener.SetMeasurementEventCallback<int>((_, size, _, _) => (queries, lookups) = (queries + 1, lookups + size));
        listener.Start();

        // Every name twice, and some that do not exist.
        var names = Enumerable.Range(1, 500).SelectMany(i => new[] { $"user{i}", $"user{i}", $"nobody{i}" }).ToList();
        var answers = await Task.WhenAll(names.Select(name => client.AnswerToGetAsync($"/user/{name}")));

        Assert.Equal(names.Select(GetExpected), answers);
        Assert.True(lookups >= 1500 && queries < lookups, $"{queries} queries for {lookups} lookups");
    }

    [Fact]
    public async Task Get_CallerGivesUp_OthersAreAnswered()
    {
        await using var api = new ApiInstance(_database);
        var client = await api.ReadyAsync();
        await using var slow = await SlowDatabase.BeginAsync(_database);
        var inFlight = client.AnswerToGetAsync("/user/user1");
        await slow.HasBlockedAsync();
        using var giveUp = new CancellationTokenSource();
        var givenUp = client.GetAsync(new Uri("/user/user2", UriKind.Relative), giveUp.Token);
        var queued = client.AnswerToGetAsync("/user/user3");
        var lookup = api.Services.GetRequiredService<UserLookup>();
        await Eventually.HoldsAsync(() => Task.FromResult(lookup.Waiting == 2));

        await giveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => givenUp);
        await slow.EndAsync();

        Assert.Equal([Answer.User(200, "User 1"), Answer.User(200, "User 3")], [await inFlight, await queued]);
    }

    [Fact]
    public async Task Get_QueueFull_Is503MarkedAsOverload()
    {
        await using var api = new ApiInstance(_database, ("Lookup:QueueLimit", "1"));
        var client = await api.ReadyAsync();
        await using var slow = await SlowDatabase.BeginAsync(_database);
        var inFlight = GetAsync(1);
        await slow.HasBlockedAsync();
        List<Task<HttpResponseMessage>> gets = [GetAsync(2), GetAsync(3)];

        var first = await await Task.WhenAny(gets);
        await slow.EndAsync();

        Assert.Equal(Answer.Problem(503, "overloaded", "Too many reads are waiting for the database."), await Answer.ReadAsync(first));
        Assert.Equal(("1", "true"), (first.Headers.RetryAfter?.ToString(), first.Headers.GetValues("x-envoy-overloaded").Single()));
        Assert.Equal([200, 200, 503], (await Task.WhenAll([inFlight, .. gets])).Select(r => (int)r.StatusCode).Order());

        Task<HttpResponseMessage> GetAsync(int i) => client.GetAsync(new Uri($"/user/user{i}", UriKind.Relative), Cancellation);
    }

    private static Answer GetExpected(string name) => name.StartsWith("user", StringComparison.Ordinal)
        ? Answer.User(200, "User " + name["user".Length..])
        : Answer.Problem(404, "user_not_found", "There is no such user.");
}
