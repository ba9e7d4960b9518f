using UserSvc.Tests.AppHost;

namespace UserSvc.Tests.Api;

public sealed class OpenApiTests(PostgresFixture postgres)
{
    [Fact]
    public async Task Document_Committed_IsTheOneServed()
    {
        await using var api = new ApiInstance(await postgres.CreateDatabaseAsync());
        using var request = new HttpRequestMessage(HttpMethod.Get, "/openapi/v1.json") { Headers = { Host = "another.example" } };

        using var response = await (await api.StartAsync()).SendAsync(request, TestContext.Current.CancellationToken);

        Assert.True(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken) == await File.ReadAllTextAsync(Manifest.RepositoryFile("docs/openapi.json"), TestContext.Current.CancellationToken),
            "docs/openapi.json is not what the service serves. Start ./up.sh, and update it with the port of a usersvc instance: curl -s http://localhost:PORT/openapi/v1.json -o docs/openapi.json");
    }

    [Fact]
    public async Task ReferencePage_InDevelopment_IsServed()
    {
        await using var api = new ApiInstance(await postgres.CreateDatabaseAsync());
        var client = await api.StartAsync();

        var page = await client.GetAsync(new Uri("/scalar", UriKind.Relative), TestContext.Current.CancellationToken);

        Assert.Equal((200, "text/html"), ((int)page.StatusCode, page.Content.Headers.ContentType?.MediaType));
    }
}
