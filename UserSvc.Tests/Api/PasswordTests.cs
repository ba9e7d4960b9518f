using Microsoft.Extensions.Options;

namespace UserSvc.Tests.Api;

public sealed class PasswordTests(PostgresFixture postgres) : IAsyncLifetime
{
    private const string Password = "a long password";

    private string _database = null!;
    private ApiInstance _api = null!;
    private HttpClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await postgres.CreateDatabaseAsync();
        // Long enough that no name gets another attempt while a test runs, however slow the machine.
        _api = new ApiInstance(_database, ("PasswordThrottle:Pause", "01:00:00"));
        _client = await _api.ReadyAsync();
        await _client.PutUserAsync("alice", "Alice", Password);
    }

    public ValueTask DisposeAsync() => _api.DisposeAsync();

    [Fact]
    public async Task Verify_RightPassword_AnswersWithTheUser()
    {
        var answer = await _client.VerifyAsync("alice", Password);

        Assert.Equal(Answer.User(200, "Alice"), answer);
    }

    [Fact]
    public async Task Verify_PasswordInItsOtherUnicodeForm_IsTheSame()
    {
        await _client.PutUserAsync("bob", "Bob", "Passwort-\u00FC\u00FC");

        var answer = await _client.VerifyAsync("bob", "Passwort-u\u0308u\u0308");

        Assert.Equal(Answer.User(200, "Bob"), answer);
    }

    [Fact]
    public async Task Verify_WrongPasswordOrUnknownUser_AreTheSame401()
    {
        var wrong = await _client.VerifyAsync("alice", "a wrong password");
        var unknown = await _client.VerifyAsync("nobody", Password);

        var refusal = Answer.Problem(401, "credentials_invalid", "There is no such user, or the password is wrong.");
        Assert.Equal([refusal, refusal], [wrong, unknown]);
    }

    [Fact]
    public async Task Store_Password_IsOnlyItsArgon2idString()
    {
        var hash = await Sql.ScalarAsync<string>(_database, "SELECT password_hash FROM users");

        Assert.Matches(@"^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$", hash);
    }

    [Fact]
    public async Task Verify_HashWithOlderParameters_IsRehashedWithoutANewVersion()
    {
        await using var stronger = new ApiInstance(_database, ("Passwords:Passes", "3"));
        var client = await stronger.ReadyAsync();

        var answer = await client.VerifyAsync("alice", Password);

        Assert.Equal(Answer.User(200, "Alice"), answer);
        Assert.Equal("m=19456,t=3,p=1 1", await Sql.ScalarAsync<string>(_database, "SELECT split_part(password_hash, '$', 4) || ' ' || version FROM users"));
    }

    [Fact]
    public async Task Verify_RehashThatCannotBeStored_IsStillRight()
    {
        await using var stronger = new ApiInstance(_database + ";Options=-c default_transaction_read_only=on", ("Passwords:Passes", "3"));
        var client = await stronger.StartAsync();

        var answer = await client.VerifyAsync("alice", Password);

        Assert.Equal(Answer.User(200, "Alice"), answer);
    }

    [Theory]
    [InlineData("verify")]
    [InlineData("basic")]
    [InlineData("put")]
    public async Task Guessing_ByAnyKindOfRequest_Is429AfterFiveFailuresOfOneAddress(string way)
    {
        var statuses = new List<int>();
        foreach (var address in (string[])["192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"])
        {
            ComeFrom(address);
            statuses.Add((await GuessAsync(way, $"a wrong password {statuses.Count}")).Status);
        }

        var refused = way switch { "put" => 409, _ => 401 };
        Assert.Equal([refused, refused, refused, refused, refused, 429, refused], statuses);
    }

    [Fact]
    public async Task RightPassword_WhileFourAddressesGuess_PassesFromAnAddressThatKnowsItOnly()
    {
        ComeFrom("192.0.2.1");
        await _client.VerifyAsync("alice", Password);
        for (var i = 0; i < 20; i++)
        {
            ComeFrom($"203.0.113.{i % 4}");
            await GuessAsync("verify", $"a wrong password {i}");
        }

        var statuses = new List<int>();
        // 127.0.0.1 created alice.
        foreach (var address in (string[])["192.0.2.1", "127.0.0.1", "192.0.2.2"])
        {
            ComeFrom(address);
            statuses.Add((await _client.VerifyAsync("alice", Password)).Status);
        }

        Assert.Equal([200, 200, 429], statuses);
    }

    [Theory]
    [InlineData("owner")]
    [InlineData("administrator")]
    public async Task Name_DeletedAndCreatedAgain_StartsAfresh(string deletedBy)
    {
        ComeFrom("192.0.2.1");
        for (var i = 0; i < 5; i++)
        {
            await GuessAsync("verify", $"a wrong password {i}");
        }

        var throttled = await _client.VerifyAsync("alice", Password);
        ComeFrom("192.0.2.2");
        var deleted = deletedBy is "owner"
            ? await _client.DeleteUserAsync("alice", UserRequests.Basic("alice", Password))
            : await _client.AsAdministratorAsync(HttpMethod.Delete, "/user/alice");
        await _client.PutUserAsync("alice", "Alice", Password);
        ComeFrom("192.0.2.1");
        var fresh = await _client.VerifyAsync("alice", Password);

        Assert.Equal((429, 204, 200), (throttled.Status, deleted.Status, fresh.Status));
    }

    [Fact]
    public async Task Guessing_ByAlternatingRequests_SharesOneThrottle()
    {
        var statuses = new List<int>();
        foreach (var way in (string[])["verify", "basic", "put", "verify", "basic", "put", "verify", "basic"])
        {
            statuses.Add((await GuessAsync(way, $"a wrong password {statuses.Count}")).Status);
        }

        Assert.Equal([401, 401, 409, 401, 401, 429, 429, 429], statuses);
    }

    [Fact]
    public async Task Throttled_TheRightPassword_Is429WithTheTimeToWait()
    {
        for (var i = 0; i < 5; i++)
        {
            await GuessAsync("verify", $"a wrong password {i}");
        }

        using var request = new HttpRequestMessage(HttpMethod.Post, "/user/alice/verify") { Content = UserRequests.Json(new { password = Password }) };
        using var response = await _client.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(Answer.Problem(429, "throttled", "Too many wrong passwords for this user or from this address. Try again after the time in Retry-After."), await Answer.ReadAsync(response));
        Assert.InRange(response.Headers.RetryAfter!.Delta!.Value, TimeSpan.FromMinutes(59), TimeSpan.FromHours(1));
    }

    [Fact]
    public async Task Guessing_InParallel_GetsNoMoreAttempts()
    {
        var guesses = Enumerable.Range(0, 40).Select(i => GuessAsync("verify", $"a wrong password {i}"));

        var statuses = (await Task.WhenAll(guesses)).CountBy(a => a.Status).ToDictionary();

        Assert.Equal(new Dictionary<int, int> { [401] = 5, [429] = 35 }, statuses);
    }

    [Fact]
    public async Task RightPasswords_InParallel_AllPass()
    {
        var checks = Enumerable.Range(0, 20).Select(_ => _client.VerifyAsync("alice", Password));

        var statuses = (await Task.WhenAll(checks)).CountBy(a => a.Status).ToDictionary();

        Assert.Equal(new Dictionary<int, int> { [200] = 20 }, statuses);
    }

    [Fact]
    public async Task HashLane_Full_Is503MarkedAsOverload()
    {
        await using var narrow = new ApiInstance(_database, ("Passwords:MaxWait", "00:00:00.100"), ("Passwords:Concurrency", "1"), ("Passwords:Passes", "20"));
        var client = await narrow.ReadyAsync();
        // The first hash is measured: about 300 ms.
        await client.VerifyAsync("nobody", Password);

        var puts = await Task.WhenAll(Enumerable.Range(0, 12).Select(i => RawPutAsync(client, $"user{i}")));

        var refused = puts.Where(r => (int)r.StatusCode == 503).ToList();
        Assert.Equal(12, refused.Count + puts.Count(r => (int)r.StatusCode == 201));
        Assert.NotEmpty(refused);
        Assert.All(refused, r => Assert.Equal(("1", "true"), (r.Headers.RetryAfter?.ToString(), r.Headers.GetValues("x-envoy-overloaded").Single())));
        Assert.Equal(Answer.Problem(503, "overloaded", "Too many passwords are waiting to be hashed."), await Answer.ReadAsync(refused[0]));
    }

    [Theory]
    [InlineData("Passwords:Passes", "0")]
    [InlineData("Passwords:MemoryKiB", "1")]
    [InlineData("Passwords:MaxWait", "00:00:00.099")]
    [InlineData("PasswordThrottle:Pause", "00:00:00")]
    [InlineData("Lookup:QueueLimit", "0")]
    [InlineData("Admin:Key", "short")]
    [InlineData("Drain:Time", "01:00:00")]
    public async Task Option_OutOfRange_StopsTheStart(string key, string value)
    {
        var failure = await Assert.ThrowsAsync<OptionsValidationException>(async () =>
        {
            await using var api = new ApiInstance(_database, (key, value));
            await api.StartAsync();
        });

        Assert.Contains(key.Split(':')[1], failure.Message, StringComparison.Ordinal);
    }

    // As if the edge had sent it: loopback is a trusted proxy.
    private void ComeFrom(string address)
    {
        _client.DefaultRequestHeaders.Remove("x-envoy-external-address");
        _client.DefaultRequestHeaders.Add("x-envoy-external-address", address);
    }

    private static Task<HttpResponseMessage> RawPutAsync(HttpClient client, string name) => client.PutAsync(
        new Uri($"/user/{name}", UriKind.Relative), UserRequests.Json(new { fullname = "Name", password = Password }), TestContext.Current.CancellationToken);

    private Task<Answer> GuessAsync(string way, string password) => way switch
    {
        "verify" => _client.VerifyAsync("alice", password),
        "basic" => _client.DeleteUserAsync("alice", UserRequests.Basic("alice", password)),
        "put" => _client.PutUserAsync("alice", "Alice", password),
        _ => throw new ArgumentOutOfRangeException(nameof(way)),
    };
}
