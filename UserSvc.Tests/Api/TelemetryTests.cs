using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using UserSvc.Api.Database;

namespace UserSvc.Tests.Api;

/// <summary>Not in parallel with other tests: a trace listener hears every host of the process, and their requests would carry traces too.</summary>
[CollectionDefinition(DisableParallelization = true)]
public sealed class TracedProcess;

[Collection(typeof(TracedProcess))]
public sealed class TelemetryTests(PostgresFixture postgres) : IAsyncLifetime
{
    private const string Password = "a-secret-of-alice's";

    private string _database = null!;
    private OtlpReceiver _collector = null!;
    private ApiInstance _api = null!;
    private HttpClient _client = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await postgres.CreateDatabaseAsync();
        _collector = await OtlpReceiver.StartAsync();
        _api = new ApiInstance(_database, _collector.Settings.Select(s => (s.Key, (string?)s.Value)));
        _client = await _api.ReadyAsync();
        await _client.PutUserAsync("alice", "Alice", Password);
    }

    public async ValueTask DisposeAsync()
    {
        await _api.DisposeAsync();
        await _collector.DisposeAsync();
    }

    [Fact]
    public async Task Get_AloneInARecordedTrace_IsOneTraceDownToTheQuery()
    {
        var trace = await GetTracedAsync("alice");

        var spans = await SpansAsync(trace, 3);
        Assert.Equal(
            [("GET /user/{name}", "client", 2), ("lookup", "GET /user/{name}", 1), ("postgresql", "lookup", 3)],
            spans.Select(s => (s.Kind == 3 ? "postgresql" : s.Name, spans.SingleOrDefault(p => p.SpanId == s.ParentSpanId)?.Name ?? "client", s.Kind)).OrderBy(s => s.Item1));
    }

    [Fact]
    public async Task Get_InABatch_IsLinkedFromTheBatchsTrace()
    {
        await using var slow = await SlowDatabase.BeginAsync(_database);
        var ahead = _client.AnswerToGetAsync("/user/alice");
        await slow.HasBlockedAsync();
        var (one, two) = (GetTracedAsync("alice"), GetTracedAsync("bob"));
        var lookup = _api.Services.GetRequiredService<UserLookup>();
        await Eventually.HoldsAsync(() => Task.FromResult(lookup.Waiting == 2));
        await slow.EndAsync();

        var lookups = new[] { (await SpansAsync(await one, 2)).Single(s => s.Name == "lookup"), (await SpansAsync(await two, 2)).Single(s => s.Name == "lookup") };
        await Eventually.HoldsAsync(() => Task.FromResult(_collector.Links.Count(l => lookups.Any(s => s.SpanId == l.Linked)) == 2));

        var batch = _collector.Links.Where(l => lookups.Any(s => s.SpanId == l.Linked)).Select(l => l.Span).Distinct().Single();
        var span = _collector.Spans.Single(s => s.SpanId == batch);
        Assert.Equal(("lookup batch", ""), (span.Name, span.ParentSpanId));
        Assert.Equal(200, (await ahead).Status);
    }

    [Fact]
    public async Task Batch_RefusedInAnOutage_HasNoSpan()
    {
        await using var network = new TcpRelay(new NpgsqlConnectionStringBuilder(_database).Port);
        await using var collector = await OtlpReceiver.StartAsync();
        await using var api = new ApiInstance(
            new NpgsqlConnectionStringBuilder(_database) { Port = network.Port, CommandTimeout = 1, Timeout = 2 }.ConnectionString, collector.Settings.Select(s => (s.Key, (string?)s.Value)));
        var client = await api.ReadyAsync();
        await client.AnswerToGetAsync("/user/alice");
        network.Freeze();

        var statuses = await Task.WhenAll(Enumerable.Range(0, 3).Select(_ => GetTracedAsync(client)));
        network.Thaw();
        // The exporter sends everything while stopping.
        await api.DisposeAsync();

        Assert.Equal([503, 503, 503], statuses);
        Assert.Equal((3, 0), (collector.Spans.Count(s => s.Name == "lookup"), collector.Spans.Count(s => s.Name == "lookup batch")));

        static async Task<int> GetTracedAsync(HttpClient client)
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, "/user/alice") { Headers = { { "traceparent", $"00-{Guid.NewGuid():N}-b7ad6b7169203331-01" } } };
            using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);
            return (int)response.StatusCode;
        }
    }

    [Fact]
    public async Task Probe_Answered_IsNotTraced()
    {
        await _client.AnswerToGetAsync("/health");
        await _client.AnswerToGetAsync("/alive");
        await SpansAsync(await GetTracedAsync("alice"), 3);

        Assert.DoesNotContain(_collector.Spans, s => s.Name is "GET /health" or "GET /alive");
    }

    [Theory]
    [InlineData("Development", new[] { "http.server.active_requests", "http.server.request.duration" })]
    [InlineData("Production", new[] { "http.server.request.duration" })]
    public async Task RequestMetrics_Exported_HaveActiveRequestsInALocalRunOnly(string environment, string[] expected)
    {
        await using var collector = await OtlpReceiver.StartAsync();
        await using var api = new ApiInstance(_database, [("environment", environment), .. collector.Settings.Select(s => (s.Key, (string?)s.Value))]);
        using (var client = await api.ReadyAsync())
        {
            await client.AnswerToGetAsync("/user/alice");
        }

        // The exporter collects once more while stopping.
        await api.DisposeAsync();

        Assert.Equal(expected, collector.Metrics.Where(name => name.StartsWith("http.server.", StringComparison.Ordinal)).Distinct().Order());
    }

    [Fact]
    public async Task Everything_Exported_HoldsNoSecret()
    {
        var hash = await Sql.ScalarAsync<string>(_database, "SELECT password_hash FROM users");
        await _client.VerifyAsync("alice", Password);
        await _client.VerifyAsync("alice", "a-wrong-secret");
        await _client.PutUserAsync("alice", "Alicia", "another-secret", ("alice", Password));
        await _client.AsAdministratorAsync(HttpMethod.Get, "/user");
        await _client.DeleteUserAsync("alice", UserRequests.Basic("alice", "another-secret"));
        await SpansAsync(await GetTracedAsync("alice"), 3);
        var bodies = _collector.Bodies.Count;
        await Eventually.HoldsAsync(() => Task.FromResult(_collector.Bodies.Count > bodies + 2));

        var exported = string.Join('\n', _collector.Bodies.Select(Encoding.Latin1.GetString));
        Assert.Equal([], new[] { Password, "a-wrong-secret", "another-secret", ApiInstance.AdminKey, hash, "$argon2id$" }.Where(s => exported.Contains(s, StringComparison.Ordinal)));
        Assert.Contains("http.server.request.duration", exported, StringComparison.Ordinal);
        Assert.Contains("usersvc.lookup.batch.size", exported, StringComparison.Ordinal);
        Assert.Contains("The schema is in place", exported, StringComparison.Ordinal);
    }

    /// <returns>The trace's id.</returns>
    private async Task<string> GetTracedAsync(string name)
    {
        var trace = Guid.NewGuid().ToString("N");
        using var request = new HttpRequestMessage(HttpMethod.Get, $"/user/{name}") { Headers = { { "traceparent", $"00-{trace}-b7ad6b7169203331-01" } } };
        using var response = await _client.SendAsync(request, TestContext.Current.CancellationToken);
        return trace;
    }

    private async Task<List<ExportedSpan>> SpansAsync(string trace, int count)
    {
        await Eventually.HoldsAsync(() => Task.FromResult(_collector.Spans.Count(s => s.TraceId == trace) >= count));
        return [.. _collector.Spans.Where(s => s.TraceId == trace)];
    }
}
