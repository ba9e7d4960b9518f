namespace UserSvc.Tests.Api;

public sealed class DrainTests(PostgresFixture postgres)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Stop_WhileDraining_IsNotReadyAndStillServes()
    {
        await using var api = new ApiInstance(await postgres.CreateDatabaseAsync(), ("Drain:Time", "00:05:00"));
        var client = await api.ReadyAsync();

        var stopping = api.StopAsync();
        var ready = await client.AnswerToGetAsync("/health");
        var alive = (await client.AnswerToGetAsync("/alive")).Status;
        using var served = await client.GetAsync(new Uri("/user/health", UriKind.Relative), Cancellation);

        Assert.Equal(Answer.Problem(503, "unavailable", "drain: draining"), ready);
        Assert.Equal((200, 200, true, false), (alive, (int)served.StatusCode, served.Headers.ConnectionClose, stopping.IsCompleted));
    }

    [Fact]
    public async Task Stop_RequestInFlight_IsAnswered()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var api = new ApiInstance(database);
        var client = await api.ReadyAsync();
        await using var slow = await SlowDatabase.BeginAsync(database);
        var inFlight = client.PutUserAsync("alice", "Alice", "a long password");
        await slow.HasBlockedAsync();

        var stopping = api.StopAsync();
        await slow.EndAsync();
        await stopping;

        Assert.Equal(Answer.User(201, "Alice"), await inFlight);
    }
}
