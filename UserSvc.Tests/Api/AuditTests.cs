using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using UserSvc.Api.Users;
using UserSvc.AppHost.Processes;
using UserSvc.Tests.Images;

namespace UserSvc.Tests.Api;

public sealed partial class AuditTests(PostgresFixture postgres)
{
    private const string Key = "an-administrators-key";
    private const string WrongKey = "a-key-of-somebody-else";
    private const string Password = "a-secret-of-alice's";
    private const string NewPassword = "her-second-secret";
    private const string WrongPassword = "a-wrong-guess";
    private const string BobsPassword = "a-secret-of-bob's";

    // The first 8 digits of `printf %s alice | sha256sum`, and of the others.
    private const string Alice = "2bd806c9";
    private const string Bob = "81b637d8";
    private const string Administrator = "d69cbb52";

    [Fact]
    public async Task Log_OfEveryKindOfRequest_HasALineForEachThatIsAudited()
    {
        await using var container = await StartAsync(("Audit__RefusalsPerSecond", "1000"));
        await WalkAsync(container.Client);
        await container.StopAsync();

        string[] expected =
        [
            Line("UserReplaced", $"User UUID, {Alice}, was replaced by owner at 203.0.113.9", $$"""{"Uuid":"UUID","Name":"{{Alice}}","By":"owner","Client":"203.0.113.9"}"""),
            ByAdministrator("ListUsers", 200),
            ByAdministrator("ListUsers", 400),
            KeyRefused("ListUsers"),
            KeyRefused("ListUsers"),
            KeyRefused("DeleteUser"),
            PasswordRefused("VerifyPassword", Alice, 401),
            PasswordRefused("DeleteUser", Alice, 401),
            PasswordRefused("PutUser", Alice, 409),
            PasswordRefused("PutUser", Alice, 409),
            PasswordRefused("VerifyPassword", Alice, 401),
            PasswordRefused("VerifyPassword", Alice, 429),
            PasswordRefused("DeleteUser", Alice, 429),
            PasswordRefused("PutUser", Alice, 429),
            Line("UserDeleted", $"User UUID, {Bob}, was deleted by owner at 203.0.113.9", $$"""{"Uuid":"UUID","Name":"{{Bob}}","By":"owner","Client":"203.0.113.9"}"""),
            Line(
                "UserDeleted", $"User UUID, {Alice}, was deleted by administrator {Administrator} at 203.0.113.9",
                $$"""{"Uuid":"UUID","Name":"{{Alice}}","By":"administrator {{Administrator}}","Client":"203.0.113.9"}"""),
            ByAdministrator("DeleteUser", 204),
            ByAdministrator("DeleteUser", 404),
        ];
        Assert.Equal(expected, Audited(container));
    }

    [Fact]
    public async Task Log_OfEveryKindOfRequest_HoldsNoSecret()
    {
        await using var container = await StartAsync(
            ("Audit__RefusalsPerSecond", "1000"), ("Audit__Names", "Clear"), ("Logging__LogLevel__Default", "Debug"), ("Logging__LogLevel__Microsoft.AspNetCore", "Debug"),
            ("Logging__LogLevel__Microsoft.AspNetCore.Server.Kestrel", "Debug"), ("Logging__LogLevel__Npgsql", "Debug"));
        await WalkAsync(container.Client);
        await container.StopAsync();

        string[] secrets =
        [
            .. ((string[])[Key, WrongKey, Password, NewPassword, WrongPassword, BobsPassword]).SelectMany(secret => (string[])[secret, secret.Replace("'", "\\u0027", StringComparison.Ordinal)]),
            .. ((string[])[Password, NewPassword, WrongPassword]).Select(password => Convert.ToBase64String(Encoding.UTF8.GetBytes($"alice:{password}"))),
            Convert.ToBase64String(Encoding.UTF8.GetBytes($"bob:{BobsPassword}")),
            "$argon2id$",
        ];
        Assert.Equal(["alice", "bob"], Audited(container).Select(line => JsonNode.Parse(line)!["attributes"]!["Name"]?.GetValue<string>()).Where(name => name is not null).Distinct());
        Assert.Equal([], container.Log.Where(line => secrets.Any(secret => line.Contains(secret, StringComparison.Ordinal))));
    }

    [Fact]
    public async Task Refusals_MoreThanTheLimitOfASecond_AreCounted()
    {
        var time = new FakeTimeProvider();
        await using var api = new ApiInstance(time, await postgres.CreateDatabaseAsync(), ("Audit:RefusalsPerSecond", "2"));
        var log = new LogLines();
        api.Services.GetRequiredService<ILoggerFactory>().AddProvider(log);
        var client = await api.ReadyAsync();

        for (var i = 0; i < 5; i++)
        {
            await client.AsAdministratorAsync(HttpMethod.Get, "/user", WrongKey);
        }

        time.Advance(TimeSpan.FromSeconds(1));
        await client.AsAdministratorAsync(HttpMethod.Get, "/user", WrongKey);

        const string Refused = "Information: 127.0.0.1 sent ListUsers without the right administrator's key, which was refused with 401";
        Assert.Equal(
            [Refused, Refused, "Information: 3 more refusals were not logged: they came within one second", Refused],
            log.Lines.Where(line => line.Contains("refus", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task AdministratorRequest_WithoutADatabase_IsLoggedWithTheStatusOfItsAnswer()
    {
        await using var api = new ApiInstance($"Host=127.0.0.1;Port={Ports.Free()};Database=users;Username=users");
        var log = new LogLines();
        api.Services.GetRequiredService<ILoggerFactory>().AddProvider(log);
        var client = await api.StartAsync();

        await client.AsAdministratorAsync(HttpMethod.Get, "/user");

        IEnumerable<string> Audited() => log.Lines.Where(line => line.Contains("Administrator", StringComparison.Ordinal));
        await Eventually.HoldsAsync(() => Task.FromResult(Audited().Any()));
        Assert.Equal([$"Information: Administrator {Administrator} at 127.0.0.1 sent ListUsers, which was answered with 503"], Audited());
    }

    [Theory]
    [InlineData("Audit:RefusalsPerSecond", "0", "Audit:RefusalsPerSecond must be between 1 and 10000.")]
    [InlineData("Client:TrustedProxies:0", "10.0.0.0/33", "Client:TrustedProxies must be addresses (10.1.2.3) or networks (10.0.0.0/8)")]
    public async Task Start_WithASettingOutOfRange_FailsAndNamesIt(string key, string value, string error)
    {
        await using var api = new ApiInstance(await postgres.CreateDatabaseAsync(), (key, value));

        var failure = await Assert.ThrowsAsync<OptionsValidationException>(api.StartAsync);

        Assert.Equal(error, failure.Message);
    }

    [Theory]
    // A client that is not a proxy is not believed.
    [InlineData("9.9.9.9", "1.1.1.1", "9.9.9.9", "9.9.9.9")]
    // Behind the edge, and behind a sidecar too.
    [InlineData("10.0.0.1", "9.9.9.9", "9.9.9.9", "9.9.9.9")]
    [InlineData("127.0.0.1", "::ffff:9.9.9.9", "9.9.9.9", "9.9.9.9")]
    [InlineData("::ffff:10.0.0.1", "9.9.9.9", "9.9.9.9", "9.9.9.9")]
    [InlineData("10.0.0.1", "6.6.6.6, 9.9.9.9", "10.0.0.1", "10.0.0.1")]
    [InlineData("fd00::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64")]
    [InlineData("10.0.0.1", "192.168.0.7", "192.168.0.7", "192.168.0.7")]
    [InlineData("10.0.0.1", "alice", "10.0.0.1", "10.0.0.1")]
    [InlineData("::ffff:9.9.9.9", "", "9.9.9.9", "9.9.9.9")]
    [InlineData(null, "", "unknown", "unknown")]
    public void ClientAddress_BehindProxies_IsWhatTheySay(string? peer, string said, string client, string network)
    {
        var addresses = new ClientAddress(Options.Create(new ClientOptions()));
        var context = new DefaultHttpContext { Connection = { RemoteIpAddress = peer is null ? null : IPAddress.Parse(peer) } };
        context.Request.Headers["x-envoy-external-address"] = said;
        context.Request.Headers["X-Forwarded-For"] = "6.6.6.6";

        Assert.Equal((client, network), (addresses.Get(context), addresses.GetNetwork(context)));
    }

    private async Task<ContainerProcess> StartAsync(params (string, string)[] environment)
    {
        var container = await ContainerProcess.UsersvcAsync(await postgres.CreateDatabaseAsync(), [("Admin__Key", Key), ("PasswordThrottle__Pause", "1.00:00:00"), .. environment]);
        container.Client.DefaultRequestHeaders.Add("x-envoy-external-address", "203.0.113.9");
        return container;
    }

    private static async Task WalkAsync(HttpClient client)
    {
        int[] statuses =
        [
            (await client.PutUserAsync("alice", "Alice", Password)).Status,
            (await client.PutUserAsync("alice", "Alice Adams", NewPassword, ("alice", Password))).Status,
            (await client.PutUserAsync("alice", "Alice Adams", NewPassword)).Status,
            (await client.AnswerToGetAsync("/user/alice")).Status,
            (await client.VerifyAsync("alice", NewPassword)).Status,
            (await client.AsAdministratorAsync(HttpMethod.Get, "/user", Key)).Status,
            (await client.AsAdministratorAsync(HttpMethod.Get, "/user?limit=0", Key)).Status,
            (await client.AnswerToGetAsync("/user")).Status,
            (await client.AsAdministratorAsync(HttpMethod.Get, "/user", WrongKey)).Status,
            (await client.AsAdministratorAsync(HttpMethod.Delete, "/user/alice", WrongKey)).Status,
            (await client.VerifyAsync("alice", WrongPassword)).Status,
            (await client.DeleteUserAsync("alice", UserRequests.Basic("alice", WrongPassword))).Status,
            (await client.PutUserAsync("alice", "Alice B.", Password, ("alice", WrongPassword))).Status,
            (await client.PutUserAsync("alice", "Alice Adams", WrongPassword)).Status,
            (await client.VerifyAsync("alice", WrongPassword)).Status,
            (await client.VerifyAsync("alice", NewPassword)).Status,
            (await client.DeleteUserAsync("alice", UserRequests.Basic("alice", NewPassword))).Status,
            (await client.PutUserAsync("alice", "Alice B.", Password, ("alice", NewPassword))).Status,
            (await client.PutUserAsync("bob", "Bob", BobsPassword)).Status,
            (await client.DeleteUserAsync("alice", UserRequests.Basic("bob", BobsPassword))).Status,
            (await client.DeleteUserAsync("bob", UserRequests.Basic("bob", BobsPassword))).Status,
            (await client.AsAdministratorAsync(HttpMethod.Delete, "/user/alice", Key)).Status,
            (await client.AsAdministratorAsync(HttpMethod.Delete, "/user/alice", Key)).Status,
        ];
        Assert.Equal([201, 200, 200, 200, 200, 200, 400, 401, 401, 401, 401, 401, 409, 409, 401, 429, 429, 429, 201, 403, 204, 204, 404], statuses);
    }

    private static string ByAdministrator(string action, int status) => Line(
        "AdministratorRequest", $"Administrator {Administrator} at 203.0.113.9 sent {action}, which was answered with {status}",
        $$"""{"Fingerprint":"{{Administrator}}","Client":"203.0.113.9","Action":"{{action}}","Status":{{status}}}""");

    private static string KeyRefused(string action) => Line(
        "AdministratorRefused", $"203.0.113.9 sent {action} without the right administrator's key, which was refused with 401",
        $$"""{"Client":"203.0.113.9","Action":"{{action}}","Status":401}""");

    private static string PasswordRefused(string action, string name, int status) => Line(
        "PasswordRefused", $"203.0.113.9 sent {action} with a password for {name}, which was refused with {status}",
        $$"""{"Client":"203.0.113.9","Action":"{{action}}","Name":"{{name}}","Status":{{status}}}""");

    private static string Line(string name, string message, string attributes) =>
        $$"""{"severity":"INFO","message":"{{message}}","category":"UserSvc.Audit","event":{"name":"{{name}}"},"attributes":{{attributes}}}""";

    /// <returns>The lines of the audit log without times, the numbers that stand for the events' names, and the ids of users, traces and spans.</returns>
    private static List<string> Audited(ContainerProcess container)
    {
        var lines = new List<string>();
        foreach (var line in container.Log.Select(line => JsonNode.Parse(line)!.AsObject()).Where(line => line["category"]!.GetValue<string>() == "UserSvc.Audit"))
        {
            line.Remove("timestamp");
            line.Remove("trace_id");
            line.Remove("span_id");
            line["event"]!.AsObject().Remove("id");
            lines.Add(Uuid().Replace(line.ToJsonString(), "UUID").Replace("\\u0027", "'", StringComparison.Ordinal));
        }

        return lines;
    }

    [GeneratedRegex("[0-9A-F]{32}")]
    private static partial Regex Uuid();
}
