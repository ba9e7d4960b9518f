using System.Net;
using System.Net.Http.Json;
using Aspire.Hosting.ApplicationModel;
using Aspire.Hosting.Testing;
using UserSvc.AppHost.Resources;

namespace UserSvc.Tests.AppHost;

[Scenario]
public sealed class RunningAppHostTests(RunningAppHost system) : IClassFixture<RunningAppHost>, IDisposable
{
    private const string All = "usersvc-1 usersvc-2 usersvc-3";

    public void Dispose() => system.WriteLog();

    [Fact]
    public async Task Requests_ThroughTheEdge_AreAnsweredByThreeInstancesInTurn()
    {
        Assert.Equal(HttpStatusCode.Created, await PutAsync("alice"));
        // The edge may have ejected an instance in another test.
        await Eventually.HoldsAsync(async () => await system.AnsweringAsync(6) == All);
    }

    [Fact]
    public void Postgres_AtTheStart_LogsNoError() => Assert.Equal([], system.StartLog.Where(line => line.Contains("ERROR:", StringComparison.Ordinal)));

    [Fact]
    public void Links_EdgeAndInstance_AreNamedAndRight()
    {
        var edge = system.App.GetEndpoint("edge", "http");
        var admin = system.App.GetEndpoint("edge", "admin");
        var health = system.App.GetEndpoint("edge", "health");
        var instance = system.App.GetEndpoint("usersvc-1", "http");

        Assert.Equal(
            [
                $"edge: Admin page {admin}", $"edge: Readiness {health}ready (details)", $"edge: Users API {edge}user/health",
                $"usersvc-1: API reference {instance}scalar",
            ],
            Links("edge").Concat(Links("usersvc-1")));
    }

    [Theory]
    [InlineData("admin-key")]
    [InlineData("postgres-password")]
    public void Parameter_Secret_IsMasked(string name) => Assert.True(system.Snapshot(name).Properties.Single(property => property.Name == "Value").IsSensitive);

    [Fact]
    public async Task Kill_InstanceAndEdge_RestartWhileAStoppedInstanceStaysStopped()
    {
        await system.ExecuteAsync("usersvc-1", KnownResourceCommands.StopCommand);
        await system.InStateAsync("usersvc-1", KnownResourceStates.Finished);

        await system.ExecuteAsync("usersvc-2", "kill");
        await system.InStateAsync("usersvc-2", KnownResourceStates.Finished);
        await system.HealthyAsync("usersvc-2");
        using (var edge = system.App.ResourceNotifications.FindProcess("edge"))
        {
            edge!.Kill();
        }

        await system.InStateAsync("edge", KnownResourceStates.Finished);
        await system.HealthyAsync("edge");

        Assert.Equal(KnownResourceStates.Finished, system.Snapshot("usersvc-1").State?.Text);
        await system.ExecuteAsync("usersvc-1", KnownResourceCommands.StartCommand);
        await system.HealthyAsync("usersvc-1");
    }

    [Fact]
    public async Task Freeze_OneInstance_IsHiddenByTheEdge()
    {
        using var process = system.App.ResourceNotifications.FindProcess("usersvc-3")!;

        var frozen = system.ExecuteAsync("usersvc-3", "freeze");
        await Eventually.HoldsAsync(() => Task.FromResult(LinuxProcess.State(process.Id) == 'T'));
        var answers = new List<HttpStatusCode>();
        for (var i = 0; i < 6; i++)
        {
            using var answer = await system.Edge.GetAsync("/user/health", RunningAppHost.Cancellation);
            answers.Add(answer.StatusCode);
        }

        await frozen;
        Assert.Equal(Enumerable.Repeat(HttpStatusCode.OK, 6), answers);
        Assert.False(LinuxProcess.State(process.Id) == 'T');
    }

    [Fact]
    public async Task FailHealthCheck_ThenRestore_TakesTheEdgeOutOfServiceAndBack()
    {
        using var health = system.App.CreateHttpClient("edge", "health");

        await system.ExecuteAsync("edge", "fail-health-check");
        using var failed = await health.GetAsync("/ready", RunningAppHost.Cancellation);
        await system.ExecuteAsync("edge", "restore-health-check");
        using var restored = await health.GetAsync("/ready", RunningAppHost.Cancellation);

        Assert.Equal((HttpStatusCode.ServiceUnavailable, HttpStatusCode.OK), (failed.StatusCode, restored.StatusCode));
    }

    [Fact]
    public async Task DeleteUsers_WithAUser_DeletesIt()
    {
        await PutAsync("bob");

        await system.ExecuteAsync("postgres", "delete-users");

        Assert.Equal(HttpStatusCode.NotFound, await GetAsync("bob"));
    }

    [Fact]
    public async Task StopAndStart_PostgresServer_IsAnOutageThatEnds()
    {
        await PutAsync("carol");

        await system.ExecuteAsync("postgres", KnownResourceCommands.StopCommand);
        var outage = await GetAsync("carol");
        await system.ExecuteAsync("postgres", KnownResourceCommands.StartCommand);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, outage);
        await Eventually.HoldsAsync(async () => await GetAsync("carol") == HttpStatusCode.OK);
    }

    [Fact]
    public async Task SecondAppHost_SameFolder_IsRefused() =>
        Assert.Equal(
            (1, $"UserSvc already runs from here, as process {Environment.ProcessId}: use that one, or stop it first (Ctrl-C, or kill {Environment.ProcessId})."),
            await AppHostProcess.RunAsync(system.StateFolder));

    [Fact]
    public async Task SecondAppHost_SamePort_IsRefusedAndNamesTheOption()
    {
        var other = StateFolder.Create();
        var port = system.Edge.BaseAddress!.Port;

        var refused = await AppHostProcess.RunAsync(other, "--Port", $"{port}");
        Directory.Delete(other, recursive: true);

        Assert.Equal((1, $"Port {port} is taken by another program: stop that one, or choose another port with --Port (up.sh: --port)."), refused);
    }

    private IEnumerable<string> Links(string name) => system.Snapshot(name).Urls
        .Select(url => $"{name}: {url.DisplayProperties.DisplayName} {url.Url}{(url.IsInternal ? " (details)" : "")}").Order(StringComparer.Ordinal);

    private async Task<HttpStatusCode> PutAsync(string name)
    {
        using var answer = await system.Edge.PutAsJsonAsync($"/user/{name}", new { fullname = name, password = "correct horse" }, RunningAppHost.Cancellation);
        return answer.StatusCode;
    }

    private async Task<HttpStatusCode> GetAsync(string name)
    {
        using var answer = await system.Edge.GetAsync($"/user/{name}", RunningAppHost.Cancellation);
        return answer.StatusCode;
    }
}
