using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace UserSvc.Tests.Edge;

public sealed class ConfigurationReloadTests : IAsyncLifetime
{
    private const string Refused = "The changed configuration is invalid; the previous one stays in use: ";

    private readonly ConfigurationFolder _folder = new();
    private Upstream _upstream = null!;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _upstream = await Upstream.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _upstream.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Reloads_UnderLoad_FailNoRequestAndCutNoConnection()
    {
        const int Clients = 16;
        await using var second = await Upstream.StartAsync("usersvc-2");
        _folder.Replace(ConfigurationFolder.Version(0, Change(0, second)));
        await using var edge = await EdgeHost.ReadyAsync([_upstream], [.. _folder.Settings, (EdgeHost.ConnectTimeout, EdgeHost.AsShipped)]);
        var answers = new ConcurrentQueue<Answer>();
        var connections = 0;
        // Without a limit, the client opens another connection when a request starts before one is back in its pool.
        using var handler = new SocketsHttpHandler { MaxConnectionsPerServer = Clients };
        handler.ConnectCallback = async (context, cancellation) =>
        {
            Interlocked.Increment(ref connections);
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(context.DnsEndPoint, cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        };
        using var client = new HttpClient(handler) { BaseAddress = edge.Public.BaseAddress };
        using var reloaded = new CancellationTokenSource();

        var load = Enumerable.Range(0, Clients).Select(_ => Task.Run(async () =>
        {
            while (!reloaded.IsCancellationRequested)
            {
                answers.Enqueue(await client.AskAsync("/user/alice"));
            }
        })).ToList();
        for (var version = 1; version <= 15; version++)
        {
            _folder.Replace(ConfigurationFolder.Version(version, Change(version, second)));
            await ServesVersionAsync(edge.Public, version);
            // Each version serves under load, even on a slow machine.
            await Eventually.HoldsAsync(() => Task.FromResult(answers.Count >= 25 * version));
        }

        await reloaded.CancelAsync();
        await Task.WhenAll(load);

        Assert.Equal([new(200, "usersvc-1"), new(200, "usersvc-2")], answers.Distinct().OrderBy(a => a.Body));
        Assert.Equal(Clients, connections);
    }

    [Theory]
    [InlineData("", "Failed to load configuration from file '{file}'. The input does not contain any JSON tokens. Expected the input to start with a valid JSON token, when isFinalBlock is true. LineNumber: 0 | BytePositionInLine: 0.")]
    [InlineData("""{"Logging": {""", "Failed to load configuration from file '{file}'. Expected depth to be zero at the end of the JSON payload. There is an open JSON object or array that should be closed. LineNumber: 0 | BytePositionInLine: 13.")]
    [InlineData(null, "{file} no longer exists. Restore it, or restart the edge without it.")]
    [InlineData("{}", "ReverseProxy:Routes is empty. Is appsettings.json in the content root, by default the working directory {folder}?")]
    [InlineData("""{"ReversProxy": {}}""", "ReversProxy in appsettings.json is not a known section. The sections are $schema, AllowedHosts, Drain, Edge, Instance, Kestrel, Logging, ReverseProxy.")]
    [InlineData("""{"Logging": {"LogLevel": {"Default": "Loud"}}}""", "Logging:LogLevel:Default is not one of Trace, Debug, Information, Warning, Error, Critical, None: Loud")]
    [InlineData("""{"ReverseProxy": {"Routes": {"user": {"ClusterId": "usersvc", "Match": {"Path": "/{**all}"}}}, "Clusters": {"usersvc": {"LoadBalancingPolicy": "Randum"}}}}""",
        "No matching ILoadBalancingPolicy found for the load balancing policy 'Randum' set on the cluster 'usersvc'.")]
    public async Task File_Invalid_KeepsTheConfigurationAndIsLoggedUntilItIsValid(string? text, string reason)
    {
        // A route's Timeout on the command line would add a route to a file without any.
        await using var edge = await EdgeProcess.ReadyAsync(_upstream, [.. _folder.Settings, (EdgeHost.RouteTimeout, EdgeHost.AsShipped)]);
        _folder.Replace(ConfigurationFolder.Version(1));
        await ServesVersionAsync(edge.Public, 1);

        if (text is null)
        {
            File.Delete(_folder.File);
        }
        else
        {
            await File.WriteAllTextAsync(_folder.File, text, Cancellation);
        }

        reason = reason.Replace("{file}", _folder.File, StringComparison.Ordinal).Replace("{folder}", Environment.CurrentDirectory, StringComparison.Ordinal);
        await WritesAsync(edge, Refused + reason);
        var meanwhile = await VersionAsync(edge.Public);
        _folder.Replace(ConfigurationFolder.Version(2));
        await ServesVersionAsync(edge.Public, 2);

        const string Reloaded = "Configuration reloaded; routes: 1, clusters: 1, destinations: 1";
        await Eventually.HoldsAsync(() => Task.FromResult(Written(edge).SequenceEqual([Reloaded, Refused + reason, Reloaded])));
        Assert.Equal("200 1", meanwhile);
    }

    [Fact]
    public async Task File_RestoredAfterAMistake_IsLoggedAsReloaded()
    {
        await using var edge = await EdgeProcess.ReadyAsync(_upstream, _folder.Settings);
        var before = await File.ReadAllTextAsync(_folder.File, Cancellation);

        _folder.Replace("[]");
        await WritesAsync(edge, $"{Refused}Failed to load configuration from file '{_folder.File}'. Top-level JSON element must be an object. Instead, 'Array' was found.");
        _folder.Replace(before);

        await WritesAsync(edge, "Configuration reloaded; routes: 1, clusters: 1, destinations: 1");
    }

    [Fact]
    public async Task File_SwappedByKubernetes_IsReloaded()
    {
        // A mounted ConfigMap: appsettings.json -> ..data/appsettings.json, ..data -> ..<time>. An update renames a new link over ..data.
        var data = Path.Combine(_folder.Path, "..data");
        Directory.CreateDirectory(Path.Combine(_folder.Path, "..1"));
        Directory.CreateDirectory(Path.Combine(_folder.Path, "..2"));
        await File.WriteAllTextAsync(Path.Combine(_folder.Path, "..1", "appsettings.json"), ConfigurationFolder.Version(1), Cancellation);
        await File.WriteAllTextAsync(Path.Combine(_folder.Path, "..2", "appsettings.json"), ConfigurationFolder.Version(2), Cancellation);
        Directory.CreateSymbolicLink(data, "..1");
        File.Delete(_folder.File);
        File.CreateSymbolicLink(_folder.File, Path.Combine("..data", "appsettings.json"));
        await using var edge = await EdgeHost.ReadyAsync([_upstream], _folder.Settings);
        var before = await VersionAsync(edge.Public);

        Directory.CreateSymbolicLink(data + "_tmp", "..2");
        Assert.Equal(0, Rename(data + "_tmp", data));
        await ServesVersionAsync(edge.Public, 2);

        Assert.Equal("200 1", before);
    }

    [Fact]
    public async Task Listener_ChangedInTheFile_StaysAndIsNamedInTheLog()
    {
        await using var edge = await EdgeProcess.ReadyAsync(_upstream, _folder.Settings);

        _folder.Replace(ConfigurationFolder.Version(1, file =>
        {
            file["Kestrel"]!["Limits"]!["MaxRequestLineSize"] = 100;
            file["Kestrel"]!["Endpoints"]!["Other"] = new JsonObject { ["Url"] = "http://127.0.0.1:0" };
            file["Drain"] = new JsonObject { ["Time"] = "00:00:01" };
            file["Edge"]!["RateLimits"] = new JsonObject { ["login"] = new JsonObject { ["Permits"] = 1 } };
        }));
        await ServesVersionAsync(edge.Public, 1);

        await WritesAsync(edge, "These settings changed and take effect only after a restart: Drain:Time, Edge:RateLimits:login:Permits, Kestrel:Endpoints:Other:Url, Kestrel:Limits:MaxRequestLineSize");
        Assert.Equal(new(200, "usersvc-1"), await edge.Public.AskAsync("/user/" + new string('a', 200)));
    }

    [Fact]
    public async Task CommandLine_OverAChangedFile_Wins()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], _folder.Settings);

        _folder.Replace(ConfigurationFolder.Version(1, file =>
            Cluster(file)["Destinations"] = new JsonObject { [_upstream.Name] = new JsonObject { ["Address"] = "http://127.0.0.1:9" } }));
        await ServesVersionAsync(edge.Public, 1);

        Assert.Equal(new(200, "usersvc-1"), await edge.Public.AskAsync("/user/alice"));
    }

    [Fact]
    public async Task BodySizeOfARoute_ChangedAlone_IsApplied()
    {
        _folder.Replace(ConfigurationFolder.Version(1, file => file["ReverseProxy"]!["Routes"]!["user"]!["MaxRequestBodySize"] = 1000));
        await using var edge = await EdgeHost.ReadyAsync([_upstream], _folder.Settings);
        var before = await PutAsync();

        _folder.Replace(ConfigurationFolder.Version(1, file => file["ReverseProxy"]!["Routes"]!["user"]!["MaxRequestBodySize"] = 10));

        await Eventually.HoldsAsync(async () => await PutAsync() == 413);
        Assert.Equal(200, before);

        async Task<int> PutAsync()
        {
            using var body = new StringContent(new string('a', 100));
            using var response = await edge.Public.PutAsync("/user/alice", body, Cancellation);
            return (int)response.StatusCode;
        }
    }

    [Fact]
    public async Task RateLimit_NamedByARouteInAReload_IsApplied()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], [.. _folder.Settings, ("Edge:RateLimits:login:Permits", "1"), ("Edge:RateLimits:login:Window", "01:00:00")]);

        _folder.Replace(ConfigurationFolder.Version(1, file => file["ReverseProxy"]!["Routes"]!["user"]!["RateLimiterPolicy"] = "login"));

        await Eventually.HoldsAsync(async () => (await edge.Public.AskAsync("/user/alice")).Status == 429);
    }

    // Each version changes what a reload can affect: balancing, connection pools, probes, routes.
    private static Action<JsonNode> Change(int version, Upstream second) => file =>
    {
        var cluster = Cluster(file);
        if (version % 2 == 0)
        {
            cluster["Destinations"] = new JsonObject { [second.Name] = new JsonObject { ["Address"] = second.Address } };
        }

        cluster["LoadBalancingPolicy"] = (version % 3) switch { 0 => "RoundRobin", 1 => "PowerOfTwoChoices", _ => "LeastRequests" };
        cluster["Metadata"]!["ConnectTimeout"] = $"00:00:5{version % 4}";
        cluster["HealthCheck"]!["Active"]!["Interval"] = $"00:00:0{(version % 5) + 1}";
        if (version % 4 == 0)
        {
            file["ReverseProxy"]!["Routes"]!["other"] = new JsonObject { ["ClusterId"] = "usersvc", ["Match"] = new JsonObject { ["Path"] = "/other" } };
        }
    };

    private static JsonNode Cluster(JsonNode file) => file["ReverseProxy"]!["Clusters"]!["usersvc"]!;

    private static Task ServesVersionAsync(HttpClient client, int version) =>
        Eventually.HoldsAsync(async () => await VersionAsync(client) == $"200 {version}");

    private static Task WritesAsync(EdgeProcess edge, string line) =>
        Eventually.HoldsAsync(() => Task.FromResult(Written(edge).Contains(line)), what: line);

    /// <summary>What the reload logged: each line after one with its category.</summary>
    private static IEnumerable<string> Written(EdgeProcess edge) =>
        edge.Output.Zip(edge.Output.Skip(1)).Where(l => l.First.Contains("Edge.Configuration.ConfigurationReload", StringComparison.Ordinal)).Select(l => l.Second.Trim());

    private static async Task<string> VersionAsync(HttpClient client)
    {
        using var response = await client.GetAsync("/user/alice", Cancellation);
        return $"{(int)response.StatusCode} {(response.Headers.TryGetValues("X-Version", out var version) ? version.Single() : "")}";
    }

    // File.Move and Directory.Move treat a link to a folder as a folder, which cannot be renamed over another.
    [DllImport("libc", EntryPoint = "rename", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Rename(string from, string to);
}
