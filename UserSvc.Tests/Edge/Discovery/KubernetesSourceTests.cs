using UserSvc.Edge.Discovery;

namespace UserSvc.Tests.Edge.Discovery;

public sealed class KubernetesSourceTests : IAsyncLifetime
{
    private readonly KubernetesApi _api = new();
    private readonly string _token = Path.Combine(Path.GetTempPath(), $"usersvc-token-{Guid.NewGuid():N}");

    public async ValueTask InitializeAsync()
    {
        _api.Set("usersvc-a", Slices.Create(8080, ("usersvc-1", "10.0.0.1"), ("usersvc-2", "10.0.0.2")));
        await _api.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        File.Delete(_token);
        await _api.DisposeAsync();
    }

    [Fact]
    public async Task Service_ListedAndWatched_HasTheEndpointsOfAllItsSlices()
    {
        _api.Set("usersvc-b", Slices.Create(8080, ("usersvc-3", "10.0.0.3")));
        await using var source = await WatchedAsync();

        Assert.Equal(["usersvc-1-uid 10.0.0.1:8080", "usersvc-2-uid 10.0.0.2:8080", "usersvc-3-uid 10.0.0.3:8080"], source.Known);
        Assert.Equal(["list", "watch from 1002"], _api.Asked);
        Assert.Equal("labelSelector=kubernetes.io/service-name=usersvc&allowWatchBookmarks=true&timeoutSeconds=300", _api.Query);
        Assert.Equal(TimeSpan.Zero, source.Source.Age);
    }

    [Fact]
    public async Task Change_OfAWatchedService_IsKnownAfterAWindowOf20Milliseconds()
    {
        await using var source = await WatchedAsync();

        _api.Set("usersvc-a", Slices.Create(8080, ("usersvc-2", "10.0.0.2"), ("usersvc-3", "10.0.0.3")));

        Assert.Equal(TimeSpan.FromMilliseconds(20), await source.PassAsync());
        await KnownAsync(source, "usersvc-2-uid 10.0.0.2:8080", "usersvc-3-uid 10.0.0.3:8080");
    }

    [Fact]
    public async Task Endpoint_ThatMovesToAnotherSlice_IsNeverMissing()
    {
        await using var source = await WatchedAsync();
        var changes = 0;
        using var changed = source.Source.GetSnapshot().Changed.RegisterChangeCallback(_ => changes++, null);

        _api.Set("usersvc-a", Slices.Create(8080, ("usersvc-1", "10.0.0.1")));
        await source.PausedAsync();
        _api.Set("usersvc-b", Slices.Create(8080, ("usersvc-2", "10.0.0.2"), ("usersvc-3", "10.0.0.3")));
        // The source reads everything that was sent and closes the window before time passes.
        _api.EndWatches();

        await KnownAsync(source, "usersvc-1-uid 10.0.0.1:8080", "usersvc-2-uid 10.0.0.2:8080", "usersvc-3-uid 10.0.0.3:8080");
        Assert.Equal(1, changes);
    }

    [Fact]
    public async Task Service_ScaledToZero_HasNoEndpoints()
    {
        await using var source = await WatchedAsync();

        _api.Set("usersvc-a", Slices.Create(8080));

        await source.PassAsync();
        await KnownAsync(source);
        Assert.Empty(source.Log);
    }

    [Fact]
    public async Task Slice_Deleted_LosesItsEndpoints()
    {
        _api.Set("usersvc-b", Slices.Create(8080, ("usersvc-3", "10.0.0.3")));
        await using var source = await WatchedAsync();

        _api.Remove("usersvc-a");

        await source.PassAsync();
        await KnownAsync(source, "usersvc-3-uid 10.0.0.3:8080");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Watch_CutOrEnded_ResumesFromTheLastVersion(bool cut)
    {
        await using var source = await WatchedAsync();
        _api.Set("usersvc-a", Slices.Create(8080, ("usersvc-8", "10.0.0.8")));
        await source.PassAsync();
        await KnownAsync(source, "usersvc-8-uid 10.0.0.8:8080");

        source.Advance(TimeSpan.FromSeconds(1));
        if (cut)
        {
            _api.Send("{\"type\":\"MODIFIED\",\"obj\0");
        }
        else
        {
            _api.EndWatches();
        }

        await Eventually.HoldsAsync(() => Task.FromResult(_api.Asked.Count == 3));
        _api.Set("usersvc-a", Slices.Create(8080, ("usersvc-9", "10.0.0.9")));
        await source.PassAsync();

        await KnownAsync(source, "usersvc-9-uid 10.0.0.9:8080");
        Assert.Equal(["list", "watch from 1001", "watch from 1002"], _api.Asked);
        Assert.Empty(source.Log);
    }

    [Fact]
    public async Task Bookmark_InAQuietWatch_IsWhereTheNextOneResumes()
    {
        await using var source = await WatchedAsync();

        source.Advance(TimeSpan.FromSeconds(1));
        _api.Bookmark();
        _api.EndWatches();

        await Eventually.HoldsAsync(() => Task.FromResult(_api.Asked.Count == 3));
        Assert.Equal(["list", "watch from 1001", "watch from 1101"], _api.Asked);
        Assert.Equal((0, TimeSpan.Zero), (source.Failures, source.Source.Age));
    }

    [Fact]
    public async Task Watch_EndedAtOnce_IsAFailure()
    {
        await using var source = await WatchedAsync();

        _api.EndWatches();
        await source.PassAsync();

        await Eventually.HoldsAsync(() => Task.FromResult(_api.Asked.Count == 4));
        Assert.Equal(["list", "watch from 1001", "list", "watch from 1001"], _api.Asked);
        Assert.Equal(1, source.Failures);
    }

    [Fact]
    public async Task Watch_LongerThanItsTimeout_IsAFailure()
    {
        await using var source = await WatchedAsync(o =>
        {
            o.Kubernetes.WatchTimeout = TimeSpan.FromMinutes(5);
            o.Kubernetes.Timeout = TimeSpan.FromSeconds(10);
        });

        // The fake API does not end a watch by itself, as if it had died.
        source.Advance(TimeSpan.FromSeconds(309.9));
        var failed = source.Failures;
        source.Advance(TimeSpan.FromSeconds(0.1));
        await source.PassAsync();

        await Eventually.HoldsAsync(() => Task.FromResult(_api.Asked.Count == 4));
        Assert.Equal(["list", "watch from 1001", "list", "watch from 1001"], _api.Asked);
        Assert.Equal((0, 1), (failed, source.Failures));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Watch_FromAnExpiredVersion_StartsWithANewList(bool inStream)
    {
        _api.GoneInStream = inStream;
        await using var source = await WatchedAsync();
        _api.Set("usersvc-a", Slices.Create(8080, ("usersvc-9", "10.0.0.9")));
        await source.PassAsync();
        await KnownAsync(source, "usersvc-9-uid 10.0.0.9:8080");

        source.Advance(TimeSpan.FromSeconds(1));
        _api.Compact();
        _api.EndWatches();
        await source.PassAsync();

        await Eventually.HoldsAsync(() => Task.FromResult(_api.Asked.Count == 5));
        Assert.Equal(["list", "watch from 1001", "watch from 1002", "list", "watch from 1003"], _api.Asked);
        Assert.Equal(["usersvc-9-uid 10.0.0.9:8080"], source.Known);
        Assert.Equal((0, 0), (source.Log.Count, source.Failures));
    }

    [Fact]
    public async Task Token_Rotated_IsReadAgain()
    {
        _api.Token = "new";
        await File.WriteAllTextAsync(_token, "old", TestContext.Current.CancellationToken);
        await using var source = Start();
        await source.PausedAsync();
        var before = source.Known;

        await File.WriteAllTextAsync(_token, "new\n", TestContext.Current.CancellationToken);
        source.Advance(TimeSpan.FromSeconds(1));

        await KnownAsync(source, "usersvc-1-uid 10.0.0.1:8080", "usersvc-2-uid 10.0.0.2:8080");
        Assert.Null(before);
        Assert.StartsWith($"Warning: Discovery: {source.Source.Address} fails; its last known 0 endpoints stay in use: the API server answered 401: ", source.Log.First(), StringComparison.Ordinal);
        Assert.Equal("401", _api.Asked.First());
    }

    [Theory]
    [InlineData("<html>", "'<' is an invalid start of a value.")]
    [InlineData(
        """{"type":"ADDED","object":{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"x","resourceVersion":"1"},"addressType":"IPv4","endpoints":[{"addresses":["usersvc"]}],"ports":[{"name":"http","port":8080}]}}""",
        "an EndpointSlice has an endpoint that is not an IP address and port: usersvc 8080")]
    [InlineData(
        """{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"etcd is away","reason":"InternalError","code":500}}""",
        "etcd is away")]
    public async Task Watch_WithAnInvalidLine_FailsAndKeepsTheEndpoints(string line, string reason)
    {
        await using var source = await WatchedAsync();

        _api.Refusal = 500;
        _api.Send(line);
        await Eventually.HoldsAsync(async () =>
        {
            await source.PassAsync();
            return source.Failures >= 2;
        });

        Assert.Equal(["usersvc-1-uid 10.0.0.1:8080", "usersvc-2-uid 10.0.0.2:8080"], source.Known);
        Assert.StartsWith($"Warning: Discovery: {source.Source.Address} fails; its last known 2 endpoints stay in use: {reason}", Assert.Single(source.Log), StringComparison.Ordinal);
        Assert.True(source.Source.Age > TimeSpan.Zero);
    }

    [Fact]
    public async Task ApiServer_Unavailable_IsAFailureUntilItIsBack()
    {
        await using var source = await WatchedAsync();

        source.Advance(TimeSpan.FromSeconds(1));
        _api.Refusal = 503;
        _api.EndWatches();
        await source.PausedAsync();
        var kept = source.Known!.ToList();
        _api.Refusal = null;
        _api.Set("usersvc-a", Slices.Create(8080, ("usersvc-9", "10.0.0.9")));
        source.Advance(TimeSpan.FromSeconds(1));

        await KnownAsync(source, "usersvc-9-uid 10.0.0.9:8080");
        Assert.Equal(["usersvc-1-uid 10.0.0.1:8080", "usersvc-2-uid 10.0.0.2:8080"], kept);
        await Eventually.HoldsAsync(() => Task.FromResult(source.Log.Count == 2));
        Assert.Equal(1, source.Failures);
    }

    [Theory]
    [InlineData(null)]
    [InlineData(503)]
    public async Task List_ThatStalls_FailsAfterItsTimeoutAndKeepsTheEndpoints(int? refusal)
    {
        await using var source = await WatchedAsync();
        (_api.BetweenHalves, _api.Refusal) = (Stall, refusal);
        // A watch that ends at once has failed: a new list follows.
        _api.EndWatches();
        await source.PassAsync();
        await Eventually.HoldsAsync(() => Task.FromResult(_api.Asked.Count == 3));

        source.Advance(TimeSpan.FromSeconds(9.9));
        var failures = source.Failures;
        source.Advance(TimeSpan.FromSeconds(0.1));
        await source.PausedAsync();

        Assert.Equal((1, 2), (failures, source.Failures));
        Assert.True(source.Source.Failing);
        Assert.Equal(["usersvc-1-uid 10.0.0.1:8080", "usersvc-2-uid 10.0.0.2:8080"], source.Known);
    }

    [Fact]
    public async Task List_WhoseSecondHalfIsLate_HoldsUpNothingElse()
    {
        var (half, rest) = (new TaskCompletionSource(), new TaskCompletionSource());
        _api.Set("usersvc-a", Slices.Create(8080));
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await EdgeProcess.ReadyAsync(upstream,
            ("ReverseProxy:Clusters:usersvc:Destinations:watched:Address", "k8s+http://usersvc/http"), ("Edge:Discovery:Kubernetes:ApiServer", _api.Address), ("Edge:Discovery:Kubernetes:Namespace", "users"));
        _api.BetweenHalves = () =>
        {
            half.TrySetResult();
            return rest.Task;
        };
        await Eventually.HoldsAsync(() => Task.FromResult(_api.Watches == 1));
        // A watch with an invalid line has failed: a new list follows.
        _api.Send("<html>");
        await half.Task;

        var answer = await edge.Public.AskAsync("/user/alice");
        rest.SetResult();

        Assert.Equal(new Answer(200, "usersvc-1"), answer);
    }

    private TestSource Start(Action<DiscoveryOptions>? configure = null) => new("k8s+http://usersvc/http", o =>
    {
        o.Kubernetes.ApiServer = _api.Address;
        o.Kubernetes.Namespace = "users";
        o.Kubernetes.TokenFile = _token;
        configure?.Invoke(o);
    });

    /// <summary>Starts the source and waits until it watches.</summary>
    private async Task<TestSource> WatchedAsync(Action<DiscoveryOptions>? configure = null)
    {
        var source = Start(configure);
        await Eventually.HoldsAsync(() => Task.FromResult(_api.Watches == 1));
        return source;
    }

    private static Task Stall() => new TaskCompletionSource().Task;

    private static Task KnownAsync(TestSource source, params string[] endpoints) =>
        Eventually.HoldsAsync(() => Task.FromResult(source.Known?.SequenceEqual(endpoints) is true));
}
