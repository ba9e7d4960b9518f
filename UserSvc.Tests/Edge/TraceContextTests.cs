namespace UserSvc.Tests.Edge;

public sealed class TraceContextTests : IAsyncLifetime
{
    private const string TraceId = "0af7651916cd43dd8448eb211c80319c";
    private const string ClientsSpan = "b7ad6b7169203331";

    private Upstream _upstream = null!;
    private OtlpReceiver _collector = null!;

    public async ValueTask InitializeAsync()
    {
        _upstream = await Upstream.StartAsync();
        _collector = await OtlpReceiver.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _collector.DisposeAsync();
        await _upstream.DisposeAsync();
    }

    [Fact]
    public async Task Request_Sampled_IsOneTraceFromTheClientToTheUpstreamAndProbesAreNone()
    {
        await using var edge = await EdgeProcess.ReadyAsync(_upstream,
            [.. _collector.Settings, ("OTEL_TRACES_SAMPLER", "always_on"), ($"{EdgeHost.Probing}:Interval", "00:00:00.100"), ("Drain:Time", "00:00:00")]);
        var sent = await AskAsync(edge.Public, sampled: false);
        var probes = _upstream.Probes;
        await Eventually.HoldsAsync(() => Task.FromResult(_upstream.Probes > probes + 3));

        edge.Terminate();
        await edge.ExitCodeAsync();

        Assert.Equal($"00-{TraceId}-{Span("GET")}-01", sent);
        Assert.Equal(
            [
                new(TraceId, Span("GET"), Span("GET /user/{**rest}"), "GET", 3),
                new(TraceId, Span("GET /user/{**rest}"), ClientsSpan, "GET /user/{**rest}", 2),
            ],
            _collector.Spans);

        string Span(string name) => _collector.Spans.SingleOrDefault(s => s.Name == name)?.SpanId ?? "none";
    }

    [Fact]
    public async Task Request_SampledByTheClientOnly_IsNotRecorded()
    {
        await using var edge = await EdgeProcess.ReadyAsync(_upstream,
            [.. _collector.Settings, ("OTEL_TRACES_SAMPLER", "always_off"), ("Drain:Time", "00:00:00")]);
        var sent = await AskAsync(edge.Public, sampled: true);

        edge.Terminate();
        await edge.ExitCodeAsync();

        Assert.Matches($"^00-{TraceId}-[0-9a-f]{{16}}-00$", sent);
        Assert.Empty(_collector.Spans);
    }

    [Fact]
    public async Task Request_SampledByTheClientAtAnEdgeWithoutTelemetry_IsNotSampledForTheUpstream()
    {
        await using var edge = await EdgeProcess.ReadyAsync(_upstream, [("OTEL_EXPORTER_OTLP_ENDPOINT", "")]);

        var sent = await AskAsync(edge.Public, sampled: true);

        Assert.Matches($"^00-{TraceId}-[0-9a-f]{{16}}-00$", sent);
    }

    /// <returns>The trace context as the upstream has received it.</returns>
    private async Task<string> AskAsync(HttpClient client, bool sampled)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/user/alice") { Headers = { { "traceparent", $"00-{TraceId}-{ClientsSpan}-{(sampled ? "01" : "00")}" } } };
        using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);
        return _upstream.Requests.Single().Headers["traceparent"];
    }
}
