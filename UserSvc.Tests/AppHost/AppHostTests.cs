using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Aspire.Hosting;
using Aspire.Hosting.Testing;
using UserSvc.AppHost.Postgres;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.AppHost;

public sealed class AppHostTests : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("usersvc-aspire-").FullName;

    [Fact]
    public async Task User_PutThroughTheEdge_IsServedByThreeInstances()
    {
        await using var app = await StartAsync();
        using var edge = app.CreateHttpClient("edge", "http");

        using var put = await edge.PutAsJsonAsync("/user/alice", new { fullname = "Alice", password = "correct horse" }, TestContext.Current.CancellationToken);
        var instances = new SortedSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < 6; i++)
        {
            var user = await edge.GetFromJsonAsync<JsonObject>("/user/alice", TestContext.Current.CancellationToken);
            instances.Add($"{user!["fullname"]} from {user["hostname"]}");
        }

        Assert.Equal(HttpStatusCode.Created, put.StatusCode);
        Assert.Equal(["Alice from usersvc-1", "Alice from usersvc-2", "Alice from usersvc-3"], instances);
    }

    [Fact]
    public async Task Sidecars_AskedFor_AreWhatTheEdgeRoutesTo()
    {
        await using var app = await StartAsync("--Replicas", "2", "--Sidecars", "true");
        using var edge = app.CreateHttpClient("edge", "http");
        using var registry = app.CreateHttpClient("edge", "health");

        var hosts = (await registry.GetFromJsonAsync<JsonObject>("/v1/registration/usersvc", TestContext.Current.CancellationToken))!["hosts"]!.AsArray();
        var instances = new SortedSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < 4; i++)
        {
            instances.Add($"{(await edge.GetFromJsonAsync<JsonObject>("/user/health", TestContext.Current.CancellationToken))!["hostname"]}");
        }

        Assert.Equal(
            new SortedSet<int> { app.GetEndpoint("usersvc-1-sidecar", "http").Port, app.GetEndpoint("usersvc-2-sidecar", "http").Port },
            hosts.Select(host => host!["port"]!.GetValue<int>()).Order());
        Assert.Equal(["usersvc-1", "usersvc-2"], instances);
    }

    [Fact]
    public async Task Tls_AskedFor_ServesTheEdgeWithACertificateThatItsFileMakesTrusted()
    {
        var port = Ports.Free();
        await using var app = await StartAsync("--Tls", "true", "--TlsPort", $"{port}");
        using var client = TrustedClient.Of(Path.Combine(_folder, "tls", "localhost.crt"), new($"https://localhost:{port}"));

        var answer = await client.GetAsync("/user/health", TestContext.Current.CancellationToken);

        Assert.Equal((HttpStatusCode.OK, app.GetEndpoint("edge", "https").Port), (answer.StatusCode, port));
    }

    public async ValueTask DisposeAsync()
    {
        var postgres = Path.Combine(_folder, "postgres");
        await (await PostgresChoice.EngineAsync(new() { Folder = postgres }, CancellationToken.None)).DeleteDataAsync(CancellationToken.None);
        Directory.Delete(_folder, recursive: true);
    }

    private async Task<DistributedApplication> StartAsync(params string[] options)
    {
        var builder = await DistributedApplicationTestingBuilder.CreateAsync<Projects.UserSvc_AppHost>(
            ["--StateFolder", _folder, "--Port", $"{Ports.Free()}", "--HealthPort", $"{Ports.Free()}", "--AdminPort", $"{Ports.Free()}", .. options], TestContext.Current.CancellationToken);
        var app = await builder.BuildAsync(TestContext.Current.CancellationToken);
        await app.StartAsync(TestContext.Current.CancellationToken);
        await app.ResourceNotifications.WaitForResourceHealthyAsync("edge", TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken);
        return app;
    }
}
