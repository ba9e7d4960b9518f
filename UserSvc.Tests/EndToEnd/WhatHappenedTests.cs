using System.Text.RegularExpressions;
using UserSvc.AppHost.Processes;
using UserSvc.Tests.AppHost;
using UserSvc.Tests.Images;

namespace UserSvc.Tests.EndToEnd;

/// <summary>Runs docs/what-happened.md as an operator would, on a request whose first attempt went to an instance that had been killed.</summary>
[Scenario]
public sealed partial class WhatHappenedTests(PostgresFixture postgres)
{
    private const string Cluster = "ReverseProxy__Clusters__usersvc";

    private static readonly string Page = File.ReadAllText(Manifest.RepositoryFile("docs/what-happened.md"));

    private static readonly string[] Described = ["url.full", "http.response.status_code", "error.type", "http.request.resend_count"];

    // What the page calls a thing, and what it is in this run. Replaced in this order: instances' addresses contain the client's.
    private readonly List<(string Shown, string Actual)> _names = [];

    // Stands for the cluster's: prints the processes' logs as it would.
    private string _kubectl = "";

    [Fact]
    public async Task Page_OnARequestRetriedAfterAKill_ShowsWhatItsCommandsPrint()
    {
        await using var collector = await OtlpReceiver.StartAsync();
        (string, string)[] telemetry = [.. collector.Settings, ("OTEL_TRACES_SAMPLER", "always_on")];
        var database = await postgres.CreateDatabaseAsync();
        await using var first = await ContainerProcess.UsersvcAsync(database, [("Instance__Name", "usersvc-1"), .. telemetry]);
        await using var second = await ContainerProcess.UsersvcAsync(database, [("Instance__Name", "usersvc-2"), .. telemetry]);
        var admin = $"127.0.0.1:{Ports.Free()}";
        await using var edge = await ContainerProcess.EdgeAsync(first.Address,
        [
            ("Instance__Name", "edge-1"), ($"{Cluster}__Destinations__usersvc-2__Address", second.Address),
            ("Kestrel__Endpoints__Admin__Url", $"http://{admin}"), ("Edge__AnswerAttemptCount", "true"),
            // A probe could take the killed instance out before a request finds it.
            ($"{Cluster}__HealthCheck__Active__Enabled", "false"), .. telemetry,
        ]);
        _names.AddRange(
        [
            ("localhost:8080", edge.Client.BaseAddress!.Authority), ("localhost:8001", admin),
            ("10.0.0.1:8080", first.Client.BaseAddress!.Authority), ("10.0.0.2:8080", second.Client.BaseAddress!.Authority), ("10.1.2.3", "127.0.0.1"),
        ]);
        _kubectl = $$"""
            kubectl() { case $2 in
            deployment/edge) {{Print(edge, "edge-1/edge")}} ;;
            deployment/usersvc) {{Print(first, "usersvc-1/usersvc")}}; {{Print(second, "usersvc-2/usersvc")}} ;;
            esac; }

            """;
        var steps = ReadmeTests.Steps(Page).ToList();
        await first.KillAsync();

        // The instances take turns: one of two requests goes to the killed one first.
        string[] answers = [await RunAsync(steps[0].Command), await RunAsync(steps[0].Command)];
        var answer = answers.Single(answer => answer.Contains("x-envoy-attempt-count: 2", StringComparison.Ordinal));
        Learn(RequestId(), answer);
        var line = await RunAsync(steps[1].Command);
        var trace = Learn(TraceId(), line);
        List<string> printed = [answer, line];
        foreach (var (command, _) in steps.Skip(2))
        {
            printed.Add(await RunAsync(command));
        }

        await Eventually.HoldsAsync(() => Task.FromResult(Requests(collector, trace).Count() == 4));

        Assert.Equal(steps.Select(step => Mask(step.Output)), printed.Select(output => Mask(Shown(output))));
        Assert.Equal(TraceBlock().Match(Page).Groups[1].Value, Shown(string.Concat(Requests(collector, trace))));
    }

    private static string Print(ContainerProcess container, string name) => $"sed 's|^|[pod/{name}] |' {container.LogFile}";

    /// <summary>Runs a command until it prints something: logs are written after the answer.</summary>
    private async Task<string> RunAsync(string command)
    {
        var actual = _names.Aggregate(command, (text, name) => text.Replace(name.Shown, name.Actual, StringComparison.Ordinal));
        var output = "";
        await Eventually.HoldsAsync(async () =>
        {
            output = (await Command.RunAsync(["bash", "-c", _kubectl + actual], Eventually.Deadline, TestContext.Current.CancellationToken)).Output;
            return output.Length > 0;
        });
        return output.ReplaceLineEndings("\n");
    }

    /// <returns>The id in the output, from now on known by the name that the page gives it.</returns>
    private string Learn(Regex id, string output)
    {
        _names.Add((id.Match(Page).Groups[1].Value, id.Match(output).Groups[1].Value));
        return _names[^1].Actual;
    }

    private string Shown(string output) => _names.Aggregate(output, (text, name) => text.Replace(name.Actual, name.Shown, StringComparison.Ordinal));

    // The page breaks long lines.
    private static string Mask(string output) => Varying().Replace(Break().Replace(output, ""), "\"$1\":…");

    /// <summary>A line for each span of the request, as the page shows them: the edge's, its attempts', and below one the instance's.</summary>
    private static IEnumerable<string> Requests(OtlpReceiver collector, string trace, string parent = "", string indent = "") =>
        from span in collector.Spans
        where span.TraceId == trace && span.ParentSpanId == parent && span.Name.StartsWith("POST", StringComparison.Ordinal)
        let attributes = collector.Attributes[span.SpanId]
        orderby attributes.GetValueOrDefault("http.request.resend_count")
        let described = Described.Where(attributes.ContainsKey).Select(name => $" {name}={attributes[name]}")
        from line in Requests(collector, trace, span.SpanId, indent + "  ").Prepend($"{indent}{collector.Exporters[span.SpanId].Split(' ')[1]}: {span.Name}{string.Concat(described)}\n")
        select line;

    [GeneratedRegex("X-Request-Id: ([0-9a-f]{32})")]
    private static partial Regex RequestId();

    [GeneratedRegex("\"trace_id\":\"([0-9a-f]{32})\"")]
    private static partial Regex TraceId();

    [GeneratedRegex("```text\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex TraceBlock();

    [GeneratedRegex("\n +")]
    private static partial Regex Break();

    [GeneratedRegex("\"(timestamp|start_time|duration|upstream_service_time|span_id|user_agent|bytes_sent)\":(\"[^\"]*\"|[0-9.]+)")]
    private static partial Regex Varying();
}
