using System.Net;

namespace UserSvc.Tests.Images;

/// <summary>One thread polls the instance's sockets and serves them. Anything that waits for a socket there would wait for ever.</summary>
public sealed class SocketThreadTests(PostgresFixture postgres)
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Usersvc_OnOneSocketThread_MigratesServesAndExports()
    {
        string[] names = [.. Enumerable.Range(1, 8).Select(i => $"user{i}")];
        await using var collector = await OtlpReceiver.StartAsync();
        await using var usersvc = await ContainerProcess.UsersvcAsync(
            await postgres.CreateDatabaseAsync(),
            [
                .. collector.Settings, ("Instance__Name", "usersvc-1"), ("Instance__Address", "127.0.0.1"), ("Passwords__MaxWait", "00:01:00"),
            ]);

        var created = await Task.WhenAll(names.Select(name => usersvc.Client.PutUserAsync(name, name, "a password")));
        var read = await Task.WhenAll(names.Select(name => usersvc.Client.AnswerToGetAsync($"/user/{name}")));
        await usersvc.AskTracedAsync();
        await usersvc.StopAsync();

        Assert.Equal(names.Select(name => Answer.User(201, name)), created);
        Assert.Equal(names.Select(name => Answer.User(200, name)), read);
        Assert.Single(collector.Spans, span => span is { TraceId: ContainerProcess.TraceId, Kind: 2 });
    }

    [Fact]
    public async Task Usersvc_WhileAClientPipelinesRequestsThatWaitForNothing_AnswersOthers()
    {
        await using var usersvc = await ContainerProcess.UsersvcAsync(await postgres.CreateDatabaseAsync());
        await using var busy = await PipeliningClient.StartAsync(usersvc.Client.BaseAddress!, "/user/health");

        var statuses = new List<HttpStatusCode>();
        for (var i = 0; i < 10; i++)
        {
            statuses.Add((await usersvc.Client.GetAsync(new Uri("/user/health", UriKind.Relative), Cancellation)).StatusCode);
        }

        Assert.Equal(Enumerable.Repeat(HttpStatusCode.OK, 10), statuses);
        Assert.True(busy.IsRunning);
    }
}
