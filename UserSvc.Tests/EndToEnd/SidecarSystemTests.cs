using UserSvc.Tests.Chaos;
using UserSvc.Tests.Edge;

namespace UserSvc.Tests.EndToEnd;

[Collection(typeof(OneByOne))]
public sealed class SidecarSystemTests(PostgresFixture postgres)
{
    // The sidecar by itself would record nothing: it is the edge that decides.
    [Fact]
    public async Task Request_ThroughTheEdgeAndASidecar_IsOneTraceAndBothHopsExportUnderTheirNames()
    {
        await using var collector = await OtlpReceiver.StartAsync();
        await using var system = await SidecarSystem.StartAsync(await postgres.CreateDatabaseAsync(), name =>
        [
            .. collector.Settings,
            ("OTEL_TRACES_SAMPLER", name == "edge" ? "always_on" : "always_off"),
        ]);

        await system.Client.AskAsync("/user/health");
        await Eventually.HoldsAsync(() => Task.FromResult(collector.Spans.Any(span => span.Name == "GET /user/health")));
        var id = collector.Spans.First(span => span.Name == "GET /user/health").SpanId;
        string[] all = ["edge edge", "usersvc usersvc-1", "usersvc usersvc-2", "usersvc-sidecar usersvc-1-sidecar", "usersvc-sidecar usersvc-2-sidecar"];
        await Eventually.HoldsAsync(() => Task.FromResult(Chain(collector, id).Count == 5 && collector.Services.Distinct().Count() == all.Length));

        var instance = collector.Exporters[id];
        var sidecar = $"usersvc-sidecar {instance.Split(' ')[1]}-sidecar";
        Assert.Equal(
            [
                "edge edge: GET /user/{**rest}", "edge edge: GET",
                $"{sidecar}: GET /{{**rest}}", $"{sidecar}: GET",
                $"{instance}: GET /user/health",
            ],
            Chain(collector, id));
        Assert.Equal(all, collector.Services.Distinct().Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData("usersvc-2")]
    [InlineData("usersvc-2-sidecar")]
    public async Task KillNine_OfAnInstanceOrItsSidecar_FailsNoRead(string victim)
    {
        await using var system = await SidecarSystem.StartAsync(await postgres.CreateDatabaseAsync());

        var failures = await system.FailuresDuringAsync(async () =>
        {
            await system[victim].KillAsync();
            await system.IsAnsweredByAsync("usersvc-1");
            await system[victim].StartAsync();
            await system.IsAnsweredByAsync("usersvc-1", "usersvc-2");
        });

        Assert.Equal([], failures);
    }

    [Fact]
    public async Task Sigterm_OfAnInstanceAndItsSidecarTogether_FailsNoReadAndEndsBoth()
    {
        await using var system = await SidecarSystem.StartAsync(await postgres.CreateDatabaseAsync());

        var failures = await system.FailuresDuringAsync(async () =>
        {
            await Task.WhenAll(system["usersvc-2"].StopAsync(), system["usersvc-2-sidecar"].StopAsync());
            await system.IsAnsweredByAsync("usersvc-1");
        });

        Assert.Equal([], failures);
    }

    /// <summary>The span and those it descends from, the first one first.</summary>
    private static List<string> Chain(OtlpReceiver collector, string id)
    {
        var chain = new List<string>();
        for (var span = Find(id); span is not null; span = Find(span.ParentSpanId))
        {
            chain.Insert(0, $"{collector.Exporters[span.SpanId]}: {span.Name}");
        }

        return chain;

        ExportedSpan? Find(string spanId) => collector.Spans.FirstOrDefault(span => span.SpanId == spanId);
    }
}
