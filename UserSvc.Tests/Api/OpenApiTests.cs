using System.Text.Json;

namespace UserSvc.Tests.Api;

public sealed class OpenApiTests(PostgresFixture postgres)
{
    [Fact]
    public async Task Document_EveryOperation_HasEveryStatus()
    {
        await using var api = new ApiInstance(await postgres.CreateDatabaseAsync());
        var client = await api.StartAsync();

        using var document = JsonDocument.Parse((await client.AnswerToGetAsync("/openapi/v1.json")).Body);

        var operations = document.RootElement.GetProperty("paths").EnumerateObject()
            .SelectMany(path => path.Value.EnumerateObject().Select(operation =>
                $"{operation.Name} {path.Name} {string.Join(' ', operation.Value.GetProperty("responses").EnumerateObject().Select(r => r.Name).Order())}"));
        Assert.Equal(
            [
                "get /user/health 200 304 412",
                "get /user/{name} 200 304 400 404 412 503",
                "put /user/{name} 200 201 400 409 412 413 415 429 503",
                "delete /user/{name} 204 400 401 403 404 412 429 503",
                "post /user/{name}/verify 200 400 401 412 413 415 429 503",
                "get /user 200 304 400 401 403 412 503",
            ],
            operations);
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
