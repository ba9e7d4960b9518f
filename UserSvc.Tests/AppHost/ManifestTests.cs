using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using Microsoft.Extensions.Configuration;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.AppHost;

public sealed class ManifestTests(PostgresFixture postgres)
{
    private const string AdministratorsKey = "an-administrators-key";

    [Fact]
    public void Manifest_Resources_AreThoseOfTheDesign()
    {
        var resources = Manifest.Resources.Select(resource => $"{resource.Key} {resource.Value!["type"]}").Order(StringComparer.Ordinal);

        Assert.Equal(
            [
                "admin-key parameter.v0", "edge project.v0", "postgres container.v0", "postgres-password parameter.v0",
                "users value.v0", "usersvc project.v0",
            ],
            resources);
    }

    [Theory]
    [InlineData("http", "Http", true)]
    [InlineData("health", "Health", false)]
    public void Edge_Binding_MatchesTheListenerInItsSettings(string binding, string listener, bool external)
    {
        var settings = new ConfigurationBuilder().AddJsonFile(Manifest.RepositoryFile("UserSvc.Edge/appsettings.json")).Build();

        var published = Manifest.Resources["edge"]!["bindings"]![binding]!;

        Assert.Equal(
            (settings[$"Kestrel:Endpoints:{listener}:Url"], external),
            ($"http://*:{published["targetPort"]}", published["external"]?.GetValue<bool>() ?? false));
    }

    [Fact]
    public void Edge_Environment_AddsOneDestinationToTheClusterInItsSettings()
    {
        var settings = new ConfigurationBuilder().AddJsonFile(Manifest.RepositoryFile("UserSvc.Edge/appsettings.json")).Build();
        var cluster = settings.GetSection("ReverseProxy:Clusters").GetChildren().Single().Key;

        var destinations = Manifest.Environment("edge").Where(variable => variable.Key.StartsWith("ReverseProxy__", StringComparison.Ordinal));

        Assert.Equal([new($"ReverseProxy__Clusters__{cluster}__Destinations__usersvc__Address", "k8s+http://usersvc/http")], destinations);
    }

    [Fact]
    public void Postgres_Environment_CreatesTheUsersDatabaseInCodePointOrder()
    {
        var environment = Manifest.Environment("postgres");

        Assert.Equal(
            ("users", "--encoding=UTF8 --locale=C --auth=scram-sha-256", "{postgres-password.value}"),
            (environment["POSTGRES_DB"], environment["POSTGRES_INITDB_ARGS"], environment["POSTGRES_PASSWORD"]));
    }

    [Fact]
    public async Task UserService_OnlyTheManifestsEnvironment_IsReadyAndKnowsItsAdministrator()
    {
        var (port, database) = (Ports.Free(), await postgres.CreateDatabaseAsync());
        var start = new ProcessStartInfo("dotnet", [typeof(UserSvc.Api.Program).Assembly.Location]) { WorkingDirectory = Manifest.RepositoryFile("UserSvc.Api") };
        foreach (var (name, value) in Manifest.Environment("usersvc"))
        {
            start.Environment[name] = value
                .Replace("{usersvc.bindings.http.targetPort}", $"{port}", StringComparison.Ordinal)
                .Replace("{users.connectionString}", database, StringComparison.Ordinal)
                .Replace("{admin-key.value}", AdministratorsKey, StringComparison.Ordinal);
        }

        using var service = Process.Start(start)!;
        using var client = new HttpClient { BaseAddress = new($"http://127.0.0.1:{port}") };
        client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", AdministratorsKey);
        try
        {
            await Eventually.HoldsAsync(async () => await StatusAsync(client, "/health") == HttpStatusCode.OK);

            Assert.Equal(HttpStatusCode.OK, await StatusAsync(client, "/user"));
        }
        finally
        {
            service.Kill();
        }
    }

    private static async Task<HttpStatusCode?> StatusAsync(HttpClient client, string path)
    {
        try
        {
            using var answer = await client.GetAsync(path, TestContext.Current.CancellationToken);
            return answer.StatusCode;
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }
}
