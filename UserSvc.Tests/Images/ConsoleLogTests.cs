using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Npgsql;
using UserSvc.AppHost.Processes;
using UserSvc.Tests.Edge;

namespace UserSvc.Tests.Images;

/// <summary>What the containers of the services write to their standard output.</summary>
public sealed class ConsoleLogTests(PostgresFixture postgres)
{
    private const string Cluster = "ReverseProxy__Clusters__usersvc__Metadata";

    [Theory]
    [InlineData("edge")]
    [InlineData("usersvc-sidecar")]
    public async Task Log_OfAProxy_IsJsonFromTheFirstLineToTheLast(string service)
    {
        await using var upstream = await Upstream.StartAsync();
        await using var container = service == "edge" ? await ContainerProcess.EdgeAsync(upstream.Address) : await ContainerProcess.SidecarAsync(upstream.Address);
        await container.StopAsync();

        var lines = container.Log.Select(Parse).ToList();

        Assert.Equal(
            $$$"""{"severity":"INFO","message":"Now listening on: {{{container.Address}}}","category":"Microsoft.Hosting.Lifetime","event":{"id":14,"name":"ListeningOnAddress"},"attributes":{"address":"{{{container.Address}}}"}}""",
            lines.Single(line => line.Contains(container.Address, StringComparison.Ordinal)));
        Assert.Equal(
            """{"severity":"INFO","message":"Draining: no longer ready; new requests are served for another 00:00:00","category":"UserSvc.ServiceDefaults.Drain","event":{"id":1929458206,"name":"LogStarted"},"attributes":{"Time":"00:00:00"}}""",
            lines.Single(line => line.Contains("Draining", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Log_OfUsersvc_IsJsonFromTheFirstLineToTheLast()
    {
        await using var container = await ContainerProcess.UsersvcAsync(await postgres.CreateDatabaseAsync());
        await container.StopAsync();

        var lines = container.Log.Select(Parse).ToList();

        Assert.Equal(
            """{"severity":"INFO","message":"The schema is in place; 1 scripts were applied","category":"UserSvc.Api.Database.SchemaMigration","event":{"id":1212930013,"name":"LogDone"},"attributes":{"Applied":1}}""",
            lines.Single(line => line.Contains("The schema", StringComparison.Ordinal)));
        Assert.Equal(
            """{"severity":"INFO","message":"Draining: no longer ready; new requests are served for another 00:00:00","category":"UserSvc.ServiceDefaults.Drain","event":{"id":1929458206,"name":"LogStarted"},"attributes":{"Time":"00:00:00"}}""",
            lines.Single(line => line.Contains("Draining", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("DOTNET_RUNNING_IN_CONTAINER", "")]
    [InlineData("ASPNETCORE_ENVIRONMENT", "Development")]
    public async Task Log_OutsideAContainerOrInDevelopment_IsText(string name, string value)
    {
        await using var container = await ContainerProcess.UsersvcAsync(await postgres.CreateDatabaseAsync(), (name, value));
        await container.StopAsync();

        Assert.Equal(
            ["info: UserSvc.ServiceDefaults.Drain[1929458206]", "      Draining: no longer ready; new requests are served for another 00:00:00"],
            container.Log.SkipWhile(line => !line.Contains("Drain[", StringComparison.Ordinal)).Take(2));
    }

    [Fact]
    public async Task Failure_OfUsersvcInATrace_IsOneLineWithTheExceptionAndTheSpan()
    {
        var database = await postgres.CreateDatabaseAsync();
        await using var collector = await OtlpReceiver.StartAsync();
        await using var container = await ContainerProcess.UsersvcAsync(database, collector.Settings);
        await using (var source = NpgsqlDataSource.Create(database))
        await using (var command = source.CreateCommand(
            "ALTER TABLE users RENAME TO moved; CREATE VIEW users AS SELECT uuid, username, (1 / 0)::text AS fullname, version FROM moved"))
        {
            await command.ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
        }

        await container.AskTracedAsync();
        await container.StopAsync();

        var line = JsonNode.Parse(Parse(container.Log.Single(l => l.Contains("\"ERROR\"", StringComparison.Ordinal))))!;
        var exception = line["exception"]!.GetValue<string>().Split('\n');
        line["exception"] = exception[0];
        var span = collector.Spans.Single(s => s is { TraceId: ContainerProcess.TraceId, Kind: 2 });
        Assert.Equal(
            $$$"""{"severity":"ERROR","message":"An unhandled exception has occurred while executing the request.","category":"Microsoft.AspNetCore.Diagnostics.ExceptionHandlerMiddleware","event":{"id":1,"name":"UnhandledException"},"trace_id":"{{{ContainerProcess.TraceId}}}","span_id":"{{{span.SpanId}}}","exception":"Npgsql.PostgresException (0x80004005): 22012: division by zero"}""",
            line.ToJsonString());
        Assert.True(exception.Length > 1);
    }

    [Fact]
    public async Task Ejection_ByTheEdgeInATrace_IsOneLineWithTheSpan()
    {
        await using var collector = await OtlpReceiver.StartAsync();
        await using var upstream = await Upstream.StartAsync(answer: context =>
        {
            context.Response.StatusCode = 500;
            return Task.CompletedTask;
        });
        await using var container = await ContainerProcess.EdgeAsync(
            upstream.Address,
            [.. collector.Settings, ("OTEL_TRACES_SAMPLER", "always_on"), ($"{Cluster}__Ejection.ConsecutiveFailures", "1"), ($"{Cluster}__Ejection.MaxPercent", "100")]);

        await container.AskTracedAsync();
        await container.StopAsync();

        var span = collector.Spans.Single(s => s is { TraceId: ContainerProcess.TraceId, Kind: 2 });
        Assert.Equal(
            $$$"""{"severity":"WARNING","message":"usersvc-1 of usersvc is ejected for 00:00:30: 1 requests in a row have failed","category":"UserSvc.Edge.Resilience.Ejections","event":{"id":1263357629,"name":"LogEjected"},"trace_id":"{{{ContainerProcess.TraceId}}}","span_id":"{{{span.SpanId}}}","attributes":{"Destination":"usersvc-1","Cluster":"usersvc","Period":"00:00:30","Failures":1}}""",
            Parse(container.Log.Single(line => line.Contains("ejected", StringComparison.Ordinal))));
    }

    [Fact]
    public async Task Log_ThatNobodyReads_StopsNeitherRequestsNorTheExit()
    {
        const int Requests = 1_000;
        await using var upstream = await Upstream.StartAsync();
        using var client = new HttpClient { BaseAddress = new($"http://127.0.0.1:{Ports.Free()}") };
        var arguments = EdgeHost.Arguments(
            [("Kestrel:Endpoints:Http:Url", client.BaseAddress.GetLeftPart(UriPartial.Authority)), ("Logging:Console:LogLevel:Default", "Trace"), ("Drain:Time", "00:00:00")],
            (upstream.Name, upstream.Address));
        // The pipe holds some hundred lines, the logger's queue 2,500; each request writes a dozen.
        var start = new ProcessStartInfo("dotnet", [typeof(UserSvc.Edge.Program).Assembly.Location, .. arguments])
        {
            RedirectStandardOutput = true,
            Environment = { ["DOTNET_RUNNING_IN_CONTAINER"] = "true" },
        };
        using var edge = Process.Start(start)!;
        try
        {
            await Eventually.HoldsAsync(() => IsAnsweredAsync(client));

            var answered = 0;
            for (var i = 0; i < Requests; i++)
            {
                answered += await IsAnsweredAsync(client) ? 1 : 0;
            }

            Signals.Send(edge.Id, Signals.Terminate);
            await edge.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal((Requests, 0), (answered, edge.ExitCode));
        }
        finally
        {
            edge.Kill();
        }
    }

    [Fact]
    public async Task Start_OfAnEdgeThatCannotStart_SaysWhyOnStandardErrorAlone()
    {
        var run = await Command.RunAsync(
            ["dotnet", typeof(UserSvc.Edge.Program).Assembly.Location, $"--contentRoot={EdgeHost.ContentRoot}"], Eventually.Deadline, TestContext.Current.CancellationToken,
            [.. await ContainerProcess.EnvironmentAsync("UserSvc.Edge"), ("ReverseProxy__Clusters__usersvc__Destinations__usersvc-1__Address", "http://127.0.0.1:9"), ("Drain__Time", "01:00:00")]);

        Assert.Equal(new(1, "", "Drain:Time and Drain:Grace must be between 0 and 5 minutes"), run);
    }

    private static async Task<bool> IsAnsweredAsync(HttpClient client)
    {
        try
        {
            using var response = await client.GetAsync("/user/alice", TestContext.Current.CancellationToken);
            return response.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    /// <returns>The line without its time, which is UTC by RFC 3339.</returns>
    private static string Parse(string line)
    {
        var json = JsonNode.Parse(line)!.AsObject();
        Assert.True(DateTime.TryParseExact(json["timestamp"]!.GetValue<string>(), "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", CultureInfo.InvariantCulture, DateTimeStyles.None, out _), line);
        json.Remove("timestamp");
        return json.ToJsonString();
    }
}
