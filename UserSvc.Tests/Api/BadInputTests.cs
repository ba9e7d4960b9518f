using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;

namespace UserSvc.Tests.Api;

/// <summary>Requests that are refused: each has its status and leaves the database unchanged.</summary>
public sealed class BadInputTests(PostgresFixture postgres) : IAsyncLifetime
{
    private const string Good = """{"fullname":"Alice","password":"a long password"}""";
    private const string NameRule =
        "A name is 1 to 64 characters: a letter or digit, then letters, digits, combining marks or any of . _ @ + -; 'health' is reserved.";
    private const string NotAnObject = "The request body is not a JSON object.";

    private string _database = null!;
    private ApiInstance _api = null!;
    private HttpClient _client = null!;

    public static TheoryData<string, string> MalformedBodies => new()
    {
        { "", "The request's body or a parameter is missing or malformed." },
        { "null", "The request's body or a parameter is missing or malformed." },
        { "{", NotAnObject },
        { "[]", NotAnObject },
        { "\"text\"", NotAnObject },
        { Good + "x", NotAnObject },
        { """{"fullname":1,"password":"a long password"}""", Malformed("fullname") },
        { """{"fullname":["Alice"],"password":"a long password"}""", Malformed("fullname") },
        { """{"fullname":"Alice","password":true}""", Malformed("password") },
        { """{"fullname":"A","fullname":"B","password":"a long password"}""", Malformed("fullname") },
        { """{"fullname":"\ud800","password":"a long password"}""", Malformed("fullname") },
        { """{"fullname":"Alice","password":"a long \udfff password"}""", Malformed("password") },
        { """{"x":""" + new string('[', 100) + new string(']', 100) + "}", Malformed("x") },
    };

    public static TheoryData<string, string[]> InvalidBodies => new()
    {
        { "{}", ["fullname", "is required", "password", "is required"] },
        { """{"Fullname":"Alice","PASSWORD":"a long password"}""", ["fullname", "is required", "password", "is required"] },
        { """{"fullname":null,"password":"a long password"}""", ["fullname", "is required"] },
        { """{"fullname":"Alice","password":null}""", ["password", "is required"] },
        { """{"fullname":"","password":"a long password"}""", ["fullname", "must be 1 to 2048 characters long"] },
        { $$"""{"fullname":"{{new string('x', 2049)}}","password":"a long password"}""", ["fullname", "must be 1 to 2048 characters long"] },
        { """{"fullname":"a\u0000b","password":"a long password"}""", ["fullname", "must not contain U+0000, U+FFFE or lone surrogates"] },
        { """{"fullname":"a\ufffeb","password":"a long password"}""", ["fullname", "must not contain U+0000, U+FFFE or lone surrogates"] },
        { """{"fullname":"Alice","password":"a long\ufffepassword"}""", ["password", "must not contain control characters, U+FFFE or lone surrogates"] },
        { """{"fullname":"Alice","password":"7 chars"}""", ["password", "must be 8 to 256 characters long"] },
        { """{"fullname":"Alice","password":"e\u0301e\u0301e\u0301e\u0301"}""", ["password", "must be 8 to 256 characters long"] },
        { $$"""{"fullname":"Alice","password":"{{new string('x', 257)}}"}""", ["password", "must be 8 to 256 characters long"] },
        { """{"fullname":"Alice","password":"a long\u0000password"}""", ["password", "must not contain control characters, U+FFFE or lone surrogates"] },
        { """{"fullname":"Alice","password":"a long\npassword"}""", ["password", "must not contain control characters, U+FFFE or lone surrogates"] },
    };

    public async ValueTask InitializeAsync()
    {
        _database = await postgres.CreateDatabaseAsync();
        _api = new ApiInstance(_database);
        _client = await _api.ReadyAsync();
    }

    public async ValueTask DisposeAsync()
    {
        Assert.Equal(0L, await Sql.ScalarAsync<long>(_database, "SELECT count(*) FROM users"));
        await _api.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(MalformedBodies))]
    public async Task Put_MalformedBody_Is400(string body, string error)
    {
        var answer = await PutAsync("/user/alice", Encoding.UTF8.GetBytes(body));

        Assert.Equal(Answer.Problem(400, "request_invalid", error), answer);
    }

    [Theory]
    [MemberData(nameof(InvalidBodies))]
    public async Task Put_InvalidFields_Is400AndNamesThem(string body, string[] errors)
    {
        var answer = await PutAsync("/user/alice", Encoding.UTF8.GetBytes(body));

        var expected = errors.Chunk(2).Select(e => (e[0], $"{e[0]} {e[1]}")).ToArray();
        Assert.Equal(Answer.Invalid(expected), answer);
    }

    [Fact]
    public async Task Put_BrokenUtf8_Is400()
    {
        var answer = await PutAsync("/user/alice", [.. "{\"fullname\":\"A"u8, 0xC3, 0x28, .. "\",\"password\":\"a long password\"}"u8]);

        Assert.Equal(Answer.Problem(400, "request_invalid", Malformed("fullname")), answer);
    }

    [Fact]
    public async Task Put_UnknownFields_AreIgnored()
    {
        var answer = await PutAsync("/user/alice", """{"fullname":"Alice","password":"a long password","role":"admin","deep":{"er":[{}]}}"""u8.ToArray());
        await _client.AsAdministratorAsync(HttpMethod.Delete, "/user/alice");

        Assert.Equal(Answer.User(201, "Alice"), answer);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("text/plain")]
    [InlineData("application/x-www-form-urlencoded")]
    [InlineData("application/json; charset=utf-16")]
    [InlineData("application/json; charset=foo")]
    public async Task Put_OtherMediaType_Is415(string? mediaType)
    {
        var answer = await PutAsync("/user/alice", Encoding.UTF8.GetBytes(Good), mediaType);

        Assert.Equal(Answer.Problem(415, "media_type_unsupported", "The Content-Type must be application/json, in UTF-8."), answer);
    }

    [Theory]
    [InlineData("application/json; charset=utf-8")]
    [InlineData("application/json; charset=\"UTF-8\"")]
    [InlineData("application/merge-patch+json")]
    public async Task Put_JsonInUtf8_IsRead(string mediaType)
    {
        var answer = await PutAsync("/user/alice", Encoding.UTF8.GetBytes(Good), mediaType);
        await _client.AsAdministratorAsync(HttpMethod.Delete, "/user/alice");

        Assert.Equal(Answer.User(201, "Alice"), answer);
    }

    [Fact]
    public async Task Delete_CredentialsThatAreNotText_AreIgnored()
    {
        var answer = await _client.DeleteUserAsync("alice", UserRequests.Basic("alice", "a long\uFFFEpassword"));

        Assert.Equal(401, answer.Status);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Put_BodyOverTheLimit_Is413(bool chunked)
    {
        var body = new byte[65 * 1024];
        body.AsSpan().Fill((byte)' ');

        var answer = await PutAsync("/user/alice", body, chunked: chunked);

        Assert.Equal(Answer.Problem(413, "body_too_large", "The request body is too large."), answer);
    }

    [Theory]
    [InlineData("/user/a%2Fb")]
    [InlineData("/user/.alice")]
    [InlineData("/user/%20alice")]
    [InlineData("/user/al%0Aice")]
    [InlineData("/user/alice%7F")]
    [InlineData("/user/%E2%80%AEalice")]
    [InlineData("/user/%CC%81alice")]
    [InlineData("/user/%F0%9F%99%82")]
    [InlineData("/user/al%FFice")]
    [InlineData("/user/al%EF%BF%BEice")]
    [InlineData("/user/al%ED%A0%80ice")]
    [InlineData("/user/health")]
    [InlineData("/user/HEALTH")]
    [InlineData("/user/a2345678901234567890123456789012345678901234567890123456789012345")]
    public async Task Put_InvalidName_Is400(string path)
    {
        var answer = await PutAsync(path, Encoding.UTF8.GetBytes(Good));

        Assert.Equal(Answer.Problem(400, "name_invalid", NameRule), answer);
    }

    [Fact]
    public async Task Put_NameOfMaximumLength_IsAccepted()
    {
        var name = string.Concat(Enumerable.Repeat("\U00010400", 64));

        var answer = await PutAsync("/user/" + Uri.EscapeDataString(name), Encoding.UTF8.GetBytes(Good));
        var deleted = await _client.AsAdministratorAsync(HttpMethod.Delete, "/user/" + Uri.EscapeDataString(name));

        Assert.Equal([Answer.User(201, "Alice"), new(204, "")], [answer, deleted]);
    }

    [Theory]
    [InlineData("GET /user/a%00b HTTP/1.1", "HTTP/1.1 400 Bad Request")]
    [InlineData("GET /user/../../etc/passwd HTTP/1.1", "HTTP/1.1 404 Not Found")]
    [InlineData("GET /user/%2e%2e/etc HTTP/1.1", "HTTP/1.1 404 Not Found")]
    [InlineData("GET /user/.. HTTP/1.1", "HTTP/1.1 404 Not Found")]
    [InlineData("BREW /user/alice HTTP/1.1", "HTTP/1.1 405 Method Not Allowed")]
    [InlineData("GET no-path HTTP/1.1", "HTTP/1.1 405 Method Not Allowed")]
    public async Task RawRequestLine_Odd_HasItsStatus(string requestLine, string statusLine)
    {
        var answer = await RawAsync($"{requestLine}\r\nHost: localhost\r\nConnection: close\r\n\r\n");

        Assert.Equal(statusLine, answer.Split("\r\n")[0]);
    }

    [Fact]
    public async Task RawRequestLine_VeryLong_Is414()
    {
        var answer = await RawAsync($"GET /user/{new string('a', 20_000)} HTTP/1.1\r\nHost: localhost\r\n\r\n");

        Assert.Equal("HTTP/1.1 414 URI Too Long", answer.Split("\r\n")[0]);
    }

    [Theory]
    [InlineData("PATCH", "/user/alice", "DELETE, GET, HEAD, PUT")]
    [InlineData("POST", "/user/alice", "DELETE, GET, HEAD, PUT")]
    [InlineData("GET", "/user/alice/verify", "POST")]
    [InlineData("DELETE", "/user", "GET, HEAD")]
    [InlineData("POST", "/health", "GET, HEAD")]
    [InlineData("POST", "/alive", "GET, HEAD")]
    [InlineData("POST", "/openapi/v1.json", "GET, HEAD")]
    public async Task Request_OtherMethod_Is405WithAllow(string method, string path, string allow)
    {
        using var request = new HttpRequestMessage(new(method), path);
        using var response = await _client.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(Answer.Problem(405, "method_not_allowed", "This path does not support the method; see the Allow header."), await Answer.ReadAsync(response));
        Assert.Equal(allow, string.Join(", ", response.Content.Headers.Allow));
    }

    [Theory]
    [InlineData("/user/alice", "DELETE, GET, HEAD, PUT")]
    [InlineData("/user/alice/verify", "POST")]
    [InlineData("/user", "GET, HEAD")]
    [InlineData("/health", "GET, HEAD")]
    public async Task Options_OfAPath_AreItsMethods(string path, string allow)
    {
        using var request = new HttpRequestMessage(HttpMethod.Options, path);
        using var response = await _client.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal((new Answer(204, ""), allow), (await Answer.ReadAsync(response), string.Join(", ", response.Content.Headers.Allow)));
    }

    [Theory]
    [InlineData("OPTIONS /nothing HTTP/1.1", "HTTP/1.1 404 Not Found")]
    [InlineData("OPTIONS * HTTP/1.1", "HTTP/1.1 204 No Content")]
    public async Task Options_OfNoPath_AreNone(string requestLine, string statusLine)
    {
        var answer = await RawAsync($"{requestLine}\r\nHost: localhost\r\nConnection: close\r\n\r\n");

        Assert.Equal(statusLine, answer.Split("\r\n")[0]);
    }

    [Theory]
    [InlineData("/alive")]
    [InlineData("/health")]
    [InlineData("/openapi/v1.json")]
    [InlineData("/user/health")]
    [InlineData("/user/alice")]
    [InlineData("/user")]
    public async Task Head_OfWhatGetAnswers_HasTheSameStatusAndNoBody(string path)
    {
        using var get = await _client.GetAsync(path, TestContext.Current.CancellationToken);
        using var request = new HttpRequestMessage(HttpMethod.Head, path);
        using var head = await _client.SendAsync(request, TestContext.Current.CancellationToken);

        Assert.Equal(
            (get.StatusCode, get.Content.Headers.ContentType, ""),
            (head.StatusCode, head.Content.Headers.ContentType, await head.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)));
    }

    // The bytes of any encoding: what the service does not read is none of its business.
    [Theory]
    [InlineData("D\u00fcsseldorf")]
    [InlineData("Jos\u00c3\u00a9")]
    public async Task Header_NotAscii_IsNoFault(string value)
    {
        var answer = await RawAsync($"GET /user/health HTTP/1.1\r\nHost: localhost\r\nTest: {value}\r\nConnection: close\r\n\r\n");

        Assert.Equal("HTTP/1.1 200 OK", answer.Split("\r\n")[0]);
    }

    [Theory]
    [InlineData("/user?limit=ten")]
    [InlineData("/user?limit=0")]
    [InlineData("/user?after=a%2Fb")]
    public async Task List_BadPageWithoutTheKey_Is401(string path) =>
        Assert.Equal(Answer.Problem(401, "credentials_invalid", "This request needs the administrator's key."), await _client.AnswerToGetAsync(path));

    [Theory]
    [InlineData("/user?limit=0", "limit must be between 1 and 100.")]
    [InlineData("/user?limit=101", "limit must be between 1 and 100.")]
    [InlineData("/user?limit=ten", "The request's body or a parameter is missing or malformed.")]
    [InlineData("/user?after=%EF%BF%BE", "after must be the value of next from the previous page.")]
    [InlineData("/user?after=a%2Fb", "after must be the value of next from the previous page.")]
    public async Task List_BadPage_Is400(string path, string error)
    {
        var answer = await _client.AsAdministratorAsync(HttpMethod.Get, path);

        Assert.Equal(Answer.Problem(400, "request_invalid", error), answer);
    }

    private static string Malformed(string field) => $"The field {field} is malformed, has the wrong type or appears twice.";

    private async Task<Answer> PutAsync(string path, byte[] body, string? mediaType = "application/json", bool chunked = false)
    {
        // Uri would otherwise normalize the path.
        var uri = new Uri(_client.BaseAddress!.GetLeftPart(UriPartial.Authority) + path, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        using var request = new HttpRequestMessage(HttpMethod.Put, uri) { Content = new ByteArrayContent(body) };
        request.Content.Headers.ContentType = mediaType is null ? null : MediaTypeHeaderValue.Parse(mediaType);
        request.Headers.TransferEncodingChunked = chunked;
        return await _client.AnswerAsync(request);
    }

    private async Task<string> RawAsync(string request)
    {
        using var connection = new TcpClient();
        await connection.ConnectAsync(IPAddress.Loopback, _client.BaseAddress!.Port, TestContext.Current.CancellationToken);
        await connection.GetStream().WriteAsync(Encoding.Latin1.GetBytes(request), TestContext.Current.CancellationToken);
        using var reader = new StreamReader(connection.GetStream());
        return await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
    }
}
