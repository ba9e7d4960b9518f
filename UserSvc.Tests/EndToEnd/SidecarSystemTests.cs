using UserSvc.Tests.Edge;

namespace UserSvc.Tests.EndToEnd;

[Scenario]
public sealed class SidecarSystemTests(SharedSidecars shared) : IClassFixture<SharedSidecars>
{
    [Fact]
    public Task Request_ThroughTheEdgeAndASidecar_IsOneTraceAndBothHopsExportUnderTheirNames() => RunAsync(async system =>
    {
        var collector = system.Collector;
        var earlier = collector.Spans.Count;
        await system.Client.AskAsync("/user/health");
        string[] all = ["edge edge", "usersvc usersvc-1", "usersvc usersvc-2", "usersvc-sidecar usersvc-1-sidecar", "usersvc-sidecar usersvc-2-sidecar"];
        string? id = null;
        await Eventually.HoldsAsync(() =>
        {
            // Only new spans: under another test's load, an exporter may have dropped a part of an earlier trace.
            id = collector.Spans.Skip(earlier).Where(span => span.Name == "GET /user/health").Select(span => span.SpanId).FirstOrDefault(span => Chain(collector, span).Count == 5);
            return Task.FromResult(id is not null && collector.Services.Distinct().Count() == all.Length);
        });

        var instance = collector.Exporters[id!];
        var sidecar = $"usersvc-sidecar {instance.Split(' ')[1]}-sidecar";
        Assert.Equal(
            [
                "edge edge: GET /user/{**rest}", "edge edge: GET",
                $"{sidecar}: GET /{{**rest}}", $"{sidecar}: GET",
                $"{instance}: GET /user/health",
            ],
            Chain(collector, id!));
        Assert.Equal(all, collector.Services.Distinct().Order(StringComparer.Ordinal));
    });

    [Theory]
    [InlineData("usersvc-2")]
    [InlineData("usersvc-2-sidecar")]
    public Task Kill_InstanceOrSidecar_FailsNoRead(string victim) => RunAsync(async system =>
    {
        var failures = await system.FailuresDuringAsync(async () =>
        {
            await system[victim].KillAsync();
            await system.IsAnsweredByAsync("usersvc-1");
            await system[victim].StartAsync();
            await system.IsAnsweredByAsync("usersvc-1", "usersvc-2");
        });

        Assert.Equal([], failures);
    });

    [Fact]
    public Task Sigterm_InstanceAndSidecarTogether_FailsNoReadAndEndsBoth() => RunAsync(async system =>
    {
        var failures = await system.FailuresDuringAsync(async () =>
        {
            await Task.WhenAll(system["usersvc-2"].StopAsync(), system["usersvc-2-sidecar"].StopAsync());
            await system.IsAnsweredByAsync("usersvc-1");
            await Task.WhenAll(system["usersvc-2"].StartAsync(), system["usersvc-2-sidecar"].StartAsync());
            await system.IsAnsweredByAsync("usersvc-1", "usersvc-2");
        });

        Assert.Equal([], failures);
    });

    private async Task RunAsync(Func<SidecarSystem, Task> scenario)
    {
        var system = await shared.GetAsync();
        try
        {
            await scenario(system);
        }
        catch
        {
            TestContext.Current.TestOutputHelper!.WriteLine(system.Describe());
            await shared.DisposeAsync();
            throw;
        }
    }

    /// <summary>The span and its ancestors, outermost first.</summary>
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
