using Microsoft.Extensions.DependencyInjection;
using UserSvc.Api.Passwords;

namespace UserSvc.Tests.Api;

public sealed class PreconditionTests(PostgresFixture postgres)
{
    private const string Password = "a long password";
    private const string ETag = "W/\"01A2076CE00A760AAF2A21208A4BE6AD-1\"";

    private static readonly string[] Conditions =
    [
        "",
        "If-Match: *",
        $"If-Match: \"x\", {ETag}",
        "If-None-Match: *",
        "If-None-Match: \"x\"",
        $"If-None-Match: \"x\", {ETag}",
        "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT",
        "If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
        $"If-Range: {ETag}; Range: bytes=0-0",
        $"If-Match: *; If-None-Match: {ETag}",
        $"If-Match: \"x\"; If-None-Match: {ETag}",
        "If-None-Match: \"x\"; If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT",
    ];

    /// <summary>Requests, each with its statuses under the conditions above.</summary>
    private static readonly string[] Expected =
    [
        "GET alice:                        200 200 412 304 200 304 200 200 200 304 412 200",
        "HEAD alice:                       200 200 412 304 200 304 200 200 200 304 412 200",
        "GET nobody:                       404 404 404 404 404 404 404 404 404 404 404 404",
        "HEAD nobody:                      404 404 404 404 404 404 404 404 404 404 404 404",
        "GET health:                       200 200 412 304 200 200 200 200 200 200 412 200",
        "HEAD health:                      200 200 412 304 200 200 200 200 200 200 412 200",
        "GET list by administrator:        200 200 412 304 200 200 200 200 200 200 412 200",
        "GET list:                         401 401 401 401 401 401 401 401 401 401 401 401",
        "PUT alice the same:               200 200 412 412 200 412 200 200 200 412 412 200",
        "PUT alice anew by alice:          200 200 412 412 200 412 200 200 200 412 412 200",
        "PUT alice anew:                   409 409 412 412 409 412 409 409 409 412 412 409",
        "PUT alice malformed:              400 400 400 400 400 400 400 400 400 400 400 400",
        "PUT nobody anew:                  201 412 412 201 201 201 201 201 201 412 412 201",
        "DELETE alice by alice:            204 204 412 412 204 412 204 204 204 412 412 204",
        "DELETE alice by administrator:    204 204 412 412 204 412 204 204 204 412 412 204",
        "DELETE alice:                     401 401 401 401 401 401 401 401 401 401 401 401",
        "DELETE alice by nobody:           401 401 401 401 401 401 401 401 401 401 401 401",
        "DELETE alice by bob:              403 403 403 403 403 403 403 403 403 403 403 403",
        "DELETE nobody by administrator:   404 404 404 404 404 404 404 404 404 404 404 404",
        "POST alice right:                 200 412 412 200 200 200 200 200 200 412 412 200",
        "POST alice wrong:                 401 401 401 401 401 401 401 401 401 401 401 401",
        "POST nobody right:                401 401 401 401 401 401 401 401 401 401 401 401",
    ];

    [Fact]
    public async Task Conditions_OfEveryKindOfRequest_DecideOnlyWhereItWouldSucceed()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var api = new ApiInstance(database, ("Passwords:MemoryKiB", "8192"), ("Passwords:Passes", "1"), ("PasswordThrottle:Burst", "1000"));
        var client = await api.ReadyAsync();
        var hash = api.Services.GetRequiredService<PasswordHasher>().Hash(Password);
        var users = $"""
            DELETE FROM users;
            INSERT INTO users (uuid, username, fullname, password_hash) VALUES ('01A2076CE00A760AAF2A21208A4BE6AD', 'alice', 'Alice', '{hash}'), ('{Guid.NewGuid()}', 'bob', 'Bob', '{hash}')
            """;
        const string State = "SELECT users::text FROM users ORDER BY username";
        var (table, changed) = (new List<string>(), new List<string>());

        foreach (var request in Expected.Select(line => line.Split(':')[0]))
        {
            var statuses = new List<int>();
            foreach (var condition in Conditions)
            {
                await Sql.ColumnAsync(database, users);
                var before = await Sql.ColumnAsync(database, State);
                statuses.Add(await AskAsync(client, request.Split(' '), condition));
                if (statuses[^1] >= 300 && !before.SequenceEqual(await Sql.ColumnAsync(database, State)))
                {
                    changed.Add($"{request} {condition}");
                }
            }

            table.Add($"{request + ':',-33} {string.Join(' ', statuses)}");
        }

        Assert.Equal(Expected, table);
        Assert.Empty(changed);
    }

    // "DELETE alice by bob".
    private static async Task<int> AskAsync(HttpClient client, string[] words, string condition)
    {
        var (method, name) = (words[0], words[1]);
        using var request = new HttpRequestMessage(new(method), name == "list" ? "/user" : method == "POST" ? $"/user/{name}/verify" : $"/user/{name}")
        {
            Content = words is [_, _, var content, ..] && content != "by" ? Content(content) : null,
        };
        request.Headers.Authorization = words switch
        {
            [.., "by", "administrator"] => new("Bearer", ApiInstance.AdminKey),
            [.., "by", var user] => UserRequests.Basic(user, Password),
            _ => null,
        };
        foreach (var header in condition.Split("; ", StringSplitOptions.RemoveEmptyEntries).Select(header => header.Split(": ")))
        {
            request.Headers.TryAddWithoutValidation(header[0], header[1]);
        }

        using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);
        return (int)response.StatusCode;
    }

    private static StringContent Content(string content) => content switch
    {
        "the" => UserRequests.Json(new { fullname = "Alice", password = Password }),
        "anew" => UserRequests.Json(new { fullname = "Alicia", password = Password }),
        "malformed" => UserRequests.Json(new { fullname = "Alice" }),
        "right" => UserRequests.Json(new { password = Password }),
        "wrong" => UserRequests.Json(new { password = "a wrong password" }),
        _ => throw new ArgumentOutOfRangeException(nameof(content)),
    };
}
