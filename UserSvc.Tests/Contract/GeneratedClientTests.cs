using System.Net.Http.Headers;
using UserSvc.Client;
using UserSvc.Tests.Edge;

namespace UserSvc.Tests.Contract;

/// <summary>The client that the build generates from docs/openapi.json.</summary>
public sealed class GeneratedClientTests(PostgresFixture postgres)
{
    [Fact]
    public async Task GeneratedClient_ThroughTheEdge_DoesEverythingWithTypedErrors()
    {
        await using var api = new ApiInstance(await postgres.CreateDatabaseAsync());
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", (await api.ReadyAsync()).BaseAddress!.OriginalString)]);
        var cancellation = TestContext.Current.CancellationToken;
        await Eventually.HoldsAsync(async () => (await edge.Health.GetAsync("/ready", cancellation)).IsSuccessStatusCode);
        UserSvcClient CreateClient(AuthenticationHeaderValue? authorization) =>
            new(new HttpClient { BaseAddress = edge.Public.BaseAddress, DefaultRequestHeaders = { Authorization = authorization } });
        var (anyone, alice, administrator) = (CreateClient(null), CreateClient(UserRequests.Basic("alice", "alice rules")), CreateClient(new("Bearer", ApiInstance.AdminKey)));
        var changed = new UserContent { Fullname = "Alice Adams", Password = "alice rules" };

        var created = await anyone.PutUserAsync("alice", body: new() { Fullname = "Alice", Password = "alice rules" }, cancellationToken: cancellation);
        var read = await anyone.GetUserAsync("alice", cancellationToken: cancellation);
        var exists = await ExplainAsync(() => anyone.PutUserAsync("alice", body: changed, cancellationToken: cancellation));
        var replaced = await alice.PutUserAsync("alice", body: changed, cancellationToken: cancellation);
        var verified = await anyone.VerifyPasswordAsync("alice", body: new() { Password = "alice rules" }, cancellationToken: cancellation);
        var refused = await ExplainAsync(() => anyone.VerifyPasswordAsync("alice", body: new() { Password = "bob rules, too" }, cancellationToken: cancellation));
        var invalid = await ExplainAsync(() => anyone.VerifyPasswordAsync("alice", body: new() { Password = "short" }, cancellationToken: cancellation));
        var page = await administrator.ListUsersAsync(limit: 1, cancellationToken: cancellation);
        await alice.DeleteUserAsync("alice", cancellationToken: cancellation);
        var deleted = await ExplainAsync(() => anyone.GetUserAsync("alice", cancellationToken: cancellation));

        Assert.Equal(["Alice", "Alice", "Alice Adams", "Alice Adams"], [created.Fullname, read.Fullname, replaced.Fullname, verified.Fullname]);
        Assert.Equal([(created.Uuid, "alice", "Alice Adams")], page.Users.Select(u => (u.Uuid, u.Name, u.Fullname)));
        Assert.Equal(["409: taken", "401: wrong password", "400: password must be 8 to 256 characters long", "404: nobody"], [exists, refused, invalid, deleted]);
    }

    private static async Task<string> ExplainAsync(Func<Task> request)
    {
        var error = await Assert.ThrowsAsync<ApiException<Problem>>(request);
        var reason = error.Result.Code switch
        {
            "user_exists" => "taken",
            "user_not_found" => "nobody",
            "credentials_invalid" => "wrong password",
            "content_invalid" => string.Join("; ", error.Result.Errors!.SelectMany(field => field.Value)),
            _ => error.Result.Detail,
        };
        return $"{error.StatusCode}: {reason}";
    }
}
