using System.Net;
using System.Text.RegularExpressions;
using Microsoft.Extensions.DependencyInjection;
using UserSvc.Api.Passwords;
using UserSvc.Api.Users;

namespace UserSvc.Tests.Api;

public sealed class UserEndpointsTests(PostgresFixture postgres) : IAsyncLifetime
{
    private const string Password = "a long password";

    private string _database = null!;
    private ApiInstance _api = null!;
    private HttpClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await postgres.CreateDatabaseAsync();
        _api = new ApiInstance(_database);
        _client = await _api.ReadyAsync();
    }

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Health_Asked_NamesTheInstance()
    {
        var answer = await _client.AnswerToGetAsync("/user/health");

        Assert.Equal(new Answer(200, """{"ok":true,"msg":"user health check OK","hostname":"usersvc-1","resolvedname":"127.0.0.1"}"""), answer);
    }

    [Theory]
    [InlineData("/user/health", 200)]
    [InlineData("/user/nobody", 404)]
    [InlineData("/nothing", 404)]
    public async Task Answer_OfAnyKind_ForbidsABrowserToGuessItsType(string path, int status)
    {
        using var response = await _client.GetAsync(path, Cancellation);

        Assert.Equal((status, "nosniff"), ((int)response.StatusCode, response.Headers.GetValues("X-Content-Type-Options").Single()));
    }

    [Fact]
    public async Task Put_NewUser_CreatesItWithLocationAndWeakETag()
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, "/user/alice") { Content = UserRequests.Json(new { fullname = "Alice", password = Password }) };
        using var response = await _client.SendAsync(request, Cancellation);

        var uuid = await Sql.ScalarAsync<Guid>(_database, "SELECT uuid FROM users WHERE username = 'alice'");
        Assert.Equal(Answer.User(201, "Alice"), await Answer.ReadAsync(response));
        Assert.Equal(("/user/alice", $"W/\"{uuid.ToString("N").ToUpperInvariant()}-1\"", 7),
            (response.Headers.Location?.ToString(), response.Headers.ETag?.ToString(), uuid.Version));
    }

    [Fact]
    public async Task Put_SameContentAgain_KeepsTheUser()
    {
        await _client.PutUserAsync("alice", "Alice", Password);
        var before = await Sql.ScalarAsync<string>(_database, "SELECT users::text FROM users");

        var answer = await _client.PutUserAsync("alice", "Alice", Password);

        Assert.Equal(Answer.User(200, "Alice"), answer);
        Assert.Equal(before, await Sql.ScalarAsync<string>(_database, "SELECT users::text FROM users"));
    }

    [Theory]
    [InlineData("Alice", "another password", null, null)]
    [InlineData("Alicia", Password, null, null)]
    [InlineData("Alicia", "another password", "alice", "a wrong password")]
    [InlineData("Alicia", "another password", "bob", "bob's password")]
    public async Task Put_OtherContentWithoutTheUsersOwnCredentials_IsRefused(string fullname, string password, string? basicName, string? basicPassword)
    {
        await _client.PutUserAsync("alice", "Alice", Password);
        await _client.PutUserAsync("bob", "Bob", "bob's password");
        var before = await Sql.ScalarAsync<string>(_database, "SELECT string_agg(users::text, ';') FROM users");

        var answer = await _client.PutUserAsync("alice", fullname, password, basicName is null ? null : (basicName, basicPassword!));

        Assert.Equal(Answer.Problem(409, "user_exists", "A user with this name already exists with different content. Authenticate as that user to replace it."), answer);
        Assert.Equal(before, await Sql.ScalarAsync<string>(_database, "SELECT string_agg(users::text, ';') FROM users"));
    }

    [Fact]
    public async Task Put_OtherContentWithTheUsersOwnCredentials_ReplacesItAsTheNextVersion()
    {
        await _client.PutUserAsync("alice", "Alice", Password);
        var uuid = await Sql.ScalarAsync<Guid>(_database, "SELECT uuid FROM users");

        var replaced = await _client.PutUserAsync("alice", "Alicia", "the next password", ("alice", Password));

        Assert.Equal(Answer.User(200, "Alicia"), replaced);
        Assert.Equal((uuid, 2L), (await Sql.ScalarAsync<Guid>(_database, "SELECT uuid FROM users"), await Sql.ScalarAsync<long>(_database, "SELECT version FROM users")));
        Assert.Equal((401, 200), ((await _client.VerifyAsync("alice", Password)).Status, (await _client.VerifyAsync("alice", "the next password")).Status));
    }

    [Fact]
    public async Task Put_ReplacementSentAgain_IsTheSame()
    {
        await _client.PutUserAsync("alice", "Alice", Password);
        await _client.PutUserAsync("alice", "Alicia", "the next password", ("alice", Password));

        var again = await _client.PutUserAsync("alice", "Alicia", "the next password", ("alice", Password));

        Assert.Equal(Answer.User(200, "Alicia"), again);
        Assert.Equal(2L, await Sql.ScalarAsync<long>(_database, "SELECT version FROM users"));
    }

    [Fact]
    public async Task Put_OneNewNameBySixteenClientsAtOnce_CreatesOneUserOnce()
    {
        var puts = Enumerable.Range(0, 16).Select(i => _client.PutUserAsync("alice", i % 2 == 0 ? "Alice" : "Alicia", Password));

        var statuses = (await Task.WhenAll(puts)).Select(a => a.Status).Order().ToList();

        Assert.Equal([.. Enumerable.Repeat(200, 7), 201, .. Enumerable.Repeat(409, 8)], statuses);
        Assert.Equal(1L, await Sql.ScalarAsync<long>(_database, "SELECT count(*) FROM users"));
    }

    [Fact]
    public async Task Get_KnownUser_AnswersWithWeakETag()
    {
        await _client.PutUserAsync("alice", "Zoë 🙂 \\\"", Password);

        using var response = await _client.GetAsync(new Uri("/user/alice", UriKind.Relative), Cancellation);

        Assert.Equal(Answer.User(200, @"Zoë \uD83D\uDE42 \\\"""), await Answer.ReadAsync(response));
        Assert.Matches(new Regex("^W/\"[0-9A-F]{32}-1\"$"), response.Headers.ETag?.ToString());
    }

    [Theory]
    [InlineData("{0}", 304)]
    [InlineData("\"other\", {0}", 304)]
    [InlineData("*", 304)]
    [InlineData("\"other\"", 200)]
    [InlineData("not an entity tag", 200)]
    public async Task Get_IfNoneMatch_Is304ForItsVersion(string header, int status)
    {
        await _client.PutUserAsync("alice", "Alice", Password);
        using var first = await _client.GetAsync(new Uri("/user/alice", UriKind.Relative), Cancellation);
        using var request = new HttpRequestMessage(HttpMethod.Get, "/user/alice");
        request.Headers.TryAddWithoutValidation("If-None-Match", header.Replace("{0}", first.Headers.ETag!.ToString(), StringComparison.Ordinal));

        using var response = await _client.SendAsync(request, Cancellation);

        Assert.Equal((status, first.Headers.ETag), ((int)response.StatusCode, response.Headers.ETag));
    }

    [Fact]
    public async Task Head_KnownUser_HasGetsHeadersAndNoBody()
    {
        await _client.PutUserAsync("alice", "Alice", Password);
        using var get = await _client.GetAsync(new Uri("/user/alice", UriKind.Relative), Cancellation);

        using var head = await _client.SendAsync(new(HttpMethod.Head, "/user/alice"), Cancellation);

        Assert.Equal((HttpStatusCode.OK, get.Headers.ETag, get.Content.Headers.ContentType, ""),
            (head.StatusCode, head.Headers.ETag, head.Content.Headers.ContentType, await head.Content.ReadAsStringAsync(Cancellation)));
    }

    [Fact]
    public async Task Get_UnknownUser_Is404()
    {
        var answer = await _client.AnswerToGetAsync("/user/nobody");

        Assert.Equal(Answer.Problem(404, "user_not_found", "There is no such user."), answer);
    }

    [Fact]
    public async Task Get_NameInItsOtherUnicodeForm_IsTheSameUser()
    {
        await _client.PutUserAsync(Uri.EscapeDataString("Jose\u0301"), "José", Password);

        var answer = await _client.AnswerToGetAsync("/user/" + Uri.EscapeDataString("Jos\u00E9"));

        Assert.Equal(Answer.User(200, "José"), answer);
        Assert.Equal("Jos\u00E9", await Sql.ScalarAsync<string>(_database, "SELECT username FROM users"));
    }

    [Theory]
    [InlineData("\u3164")]
    [InlineData("\uFF21lice")]
    public async Task Name_ThatIsNoLongerAllowed_IsServedUntilItsUserIsDeleted(string name)
    {
        var path = Uri.EscapeDataString(name);
        var hash = _api.Services.GetRequiredService<PasswordHasher>().Hash(Password);
        await Sql.ColumnAsync(_database, $"INSERT INTO users (uuid, username, fullname, password_hash) VALUES (gen_random_uuid(), '{name}', 'Alice', '{hash}')");

        var read = await _client.AnswerToGetAsync($"/user/{path}");
        var verified = await _client.VerifyAsync(path, Password);
        var replaced = await _client.PutUserAsync(path, "Alicia", Password, (name, Password));
        var deleted = await _client.DeleteUserAsync(path, UserRequests.Basic(name, Password));
        var created = await _client.PutUserAsync(path, "Alice", Password);

        Assert.Equal([Answer.User(200, "Alice"), Answer.User(200, "Alice"), Answer.User(200, "Alicia"), new(204, ""), Answer.Problem(400, "name_invalid", UserName.NewRule)], [read, verified, replaced, deleted, created]);
    }

    [Fact]
    public async Task Get_NameInOtherCase_IsAnotherUser()
    {
        await _client.PutUserAsync("alice", "Alice", Password);

        var answer = await _client.AnswerToGetAsync("/user/Alice");

        Assert.Equal(404, answer.Status);
    }

    [Fact]
    public async Task Delete_ByTheUsersOwnCredentials_DeletesIt()
    {
        await _client.PutUserAsync("alice", "Alice", "with: a colon");

        var answer = await _client.DeleteUserAsync("alice", UserRequests.Basic("alice", "with: a colon"));

        Assert.Equal(new Answer(204, ""), answer);
        Assert.Equal(0L, await Sql.ScalarAsync<long>(_database, "SELECT count(*) FROM users"));
    }

    [Fact]
    public async Task Delete_WithoutTheUsersOwnCredentials_IsRefused()
    {
        await _client.PutUserAsync("alice", "Alice", Password);
        await _client.PutUserAsync("bob", "Bob", Password);

        var none = await _client.DeleteUserAsync("alice", null);
        var wrong = await _client.DeleteUserAsync("alice", UserRequests.Basic("alice", "a wrong password"));
        var missing = await _client.DeleteUserAsync("nobody", UserRequests.Basic("nobody", Password));
        var malformed = await _client.DeleteUserAsync("alice", new("Basic", "not base64!"));
        var others = await _client.DeleteUserAsync("alice", UserRequests.Basic("bob", Password));
        var key = await _client.AsAdministratorAsync(HttpMethod.Delete, "/user/alice", "another administrator's key");

        Assert.Equal(
            [
                Answer.Problem(401, "credentials_invalid", "Deleting a user needs that user's credentials or the administrator's key."),
                Answer.Problem(401, "credentials_invalid", "The credentials are wrong."),
                Answer.Problem(401, "credentials_invalid", "The credentials are wrong."),
                Answer.Problem(401, "credentials_invalid", "Deleting a user needs that user's credentials or the administrator's key."),
                Answer.Problem(403, "forbidden", "The credentials belong to another user."),
                Answer.Problem(401, "credentials_invalid", "This request needs the administrator's key."),
            ],
            [none, wrong, missing, malformed, others, key]);
        Assert.Equal(2L, await Sql.ScalarAsync<long>(_database, "SELECT count(*) FROM users"));
    }

    [Fact]
    public async Task Delete_ByTheAdministrator_Is204Then404()
    {
        await _client.PutUserAsync("alice", "Alice", Password);

        var first = await _client.AsAdministratorAsync(HttpMethod.Delete, "/user/alice");
        var second = await _client.AsAdministratorAsync(HttpMethod.Delete, "/user/alice");

        Assert.Equal([new(204, ""), Answer.Problem(404, "user_not_found", "There is no such user.")], [first, second]);
    }

    [Fact]
    public async Task List_PageByPage_GivesEveryUserOnceInCodePointOrder()
    {
        foreach (var name in (string[])["bob", "Bob", "alice", "\u00C9va"])
        {
            await _client.PutUserAsync(Uri.EscapeDataString(name), name, Password);
        }

        var first = await _client.AsAdministratorAsync(HttpMethod.Get, "/user?limit=2");
        var second = await _client.AsAdministratorAsync(HttpMethod.Get, "/user?limit=2&after=alice");

        const string End = "\"hostname\":\"usersvc-1\",\"resolvedname\":\"127.0.0.1\"}";
        Assert.Equal(
            [
                new(200, """{"ok":true,"users":[{"uuid":"UUID","name":"Bob","fullname":"Bob"},{"uuid":"UUID","name":"alice","fullname":"alice"}],"next":"alice",""" + End),
                new(200, """{"ok":true,"users":[{"uuid":"UUID","name":"bob","fullname":"bob"},{"uuid":"UUID","name":"Éva","fullname":"Éva"}],"next":null,""" + End),
            ],
            [first, second]);
    }

    [Fact]
    public async Task List_NotByTheAdministrator_IsRefused()
    {
        var none = await _client.AnswerToGetAsync("/user");
        var wrong = await _client.AsAdministratorAsync(HttpMethod.Get, "/user", "another administrator's key");

        var refusal = Answer.Problem(401, "credentials_invalid", "This request needs the administrator's key.");
        Assert.Equal([refusal, refusal], [none, wrong]);
    }

    [Fact]
    public async Task Administrator_WithoutAKeyConfigured_Is403()
    {
        await using var api = new ApiInstance(_database, ("Admin:Key", null));
        var client = await api.ReadyAsync();

        var list = await client.AsAdministratorAsync(HttpMethod.Get, "/user");
        var delete = await client.AsAdministratorAsync(HttpMethod.Delete, "/user/alice");

        var refusal = Answer.Problem(403, "forbidden", "This service has no administrator's key: set Admin:Key and restart it.");
        Assert.Equal([refusal, refusal], [list, delete]);
    }
}
