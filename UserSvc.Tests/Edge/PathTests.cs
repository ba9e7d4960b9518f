namespace UserSvc.Tests.Edge;

public sealed class PathTests : IAsyncLifetime
{
    private Upstream _upstream = null!;

    public async ValueTask InitializeAsync() => _upstream = await Upstream.StartAsync();

    public ValueTask DisposeAsync() => _upstream.DisposeAsync();

    [Theory]
    [InlineData("/user/x/../alice", "/user/alice")]
    [InlineData("/user/./alice", "/user/alice")]
    [InlineData("/user/x/%2e%2e/alice", "/user/alice")]
    [InlineData("/user/x/%2E./alice", "/user/alice")]
    [InlineData("/user/%2e/alice?q=/../a//b", "/user/alice?q=/../a//b")]
    [InlineData("/user/alice/.", "/user/alice/")]
    [InlineData("/user/alice/x/..", "/user/alice/")]
    [InlineData("/../../user/alice", "/user/alice")]
    [InlineData("/other/../user/alice", "/user/alice")]
    [InlineData("/user//alice", "/user/alice")]
    [InlineData("//user///alice//", "/user/alice/")]
    [InlineData("/user//../alice", "/user/alice")]
    [InlineData("/user/%C3%A9//a%2Fb%252F..", "/user/%C3%A9/a%2Fb%252F..")]
    [InlineData("/user/..%2Fhealth", "/user/..%2Fhealth")]
    [InlineData("/user/..%5Chealth", "/user/..%5Chealth")]
    public async Task Path_NotInItsNormalForm_IsForwardedInIt(string written, string forwarded)
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream]);

        using var response = await edge.Public.GetAsWrittenAsync(written);

        Assert.Equal([forwarded], _upstream.Requests.Select(r => r.Target));
    }

    [Theory]
    [InlineData("/user/../health")]
    [InlineData("/user/%2e%2e/health")]
    [InlineData("/user/.%2E/health")]
    [InlineData("/user/x/../../health")]
    [InlineData("/user//../../health")]
    [InlineData("/user/..")]
    [InlineData("/user%2Falice")]
    [InlineData("/%2Fuser/alice")]
    [InlineData("/x/..%2Fuser/alice")]
    [InlineData("//x/user/alice")]
    public async Task Path_ThatIsNotBelowUserInItsNormalForm_Is404(string path)
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream]);

        using var response = await edge.Public.GetAsWrittenAsync(path);

        Assert.Equal(EdgeAnswers.NotFound, await Answer.ReadAsync(response));
        Assert.Empty(_upstream.Requests);
    }

    [Theory]
    [InlineData("http://x/user/x/../a%2Fb", "/user/a%2Fb")]
    [InlineData("http://x//user/alice?a=b", "/user/alice?a=b")]
    [InlineData("http://x/user/%2e%2e/health", null)]
    [InlineData("http://x/user%2Falice", null)]
    [InlineData("http://x", null)]
    public async Task Target_WithSchemeAndHost_IsRoutedAndForwardedAsItsPath(string target, string? forwarded)
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream]);

        var answer = await RawConnection.ExchangeAsync(edge.Public.BaseAddress!, $"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");

        Assert.Equal(forwarded is null ? "HTTP/1.1 404 Not Found" : "HTTP/1.1 200 OK", answer.Split("\r\n")[0]);
        Assert.Equal(forwarded is null ? [] : [forwarded], _upstream.Requests.Select(r => r.Target));
    }

    // Every path of up to four of these segments that reaches an upstream is below /user there too.
    [Fact]
    public async Task Path_WhateverItsDotsAndSlashes_LeavesTheRouteNeitherHereNorThere()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream]);
        string[] segments = ["user", "..", "%2e%2E", ".", "", "x%2F..", "a"];
        IEnumerable<string> paths = [""];
        for (var i = 0; i < 4; i++)
        {
            paths = [.. paths, .. from path in paths from segment in segments select $"{path}/{segment}"];
        }

        foreach (var path in paths.Distinct().Where(path => path.Length > 0))
        {
            using var response = await edge.Public.GetAsWrittenAsync(path);
        }

        var received = _upstream.Requests.Select(r => (r.Target, r.Path)).Distinct().ToList();
        Assert.True(received.Count > 50, $"only {received.Count} paths have arrived");
        Assert.All(received, r => Assert.Matches("^/user(/[^/]+)*/?$", r.Target));
        Assert.All(received, r => Assert.Equal(r.Target, r.Path));
    }

    [Fact]
    public async Task Slashes_NotMerged_AreForwardedAsWritten()
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], ("Edge:Path:MergeSlashes", "false"));

        using var response = await edge.Public.GetAsWrittenAsync("/user//x/../alice//");

        Assert.Equal(["/user//alice//"], _upstream.Requests.Select(r => r.Target));
    }

    [Theory]
    [InlineData("/user/a%2Fb")]
    [InlineData("/user/a%2fb")]
    [InlineData("/user/a%5Cb")]
    public async Task EscapedSlash_WhereItIsRejected_Is400(string path)
    {
        await using var edge = await EdgeHost.ReadyAsync([_upstream], ("Edge:Path:EscapedSlashes", "Reject"));

        using var response = await edge.Public.GetAsWrittenAsync(path);

        Assert.Equal(EdgeAnswers.Problem(400, "request_invalid", "The path has an escaped slash, which is not allowed here."), await Answer.ReadAsync(response));
        Assert.Empty(_upstream.Requests);
    }
}
