using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Time.Testing;

namespace UserSvc.Tests.Edge.Direct;

public sealed class DirectForwarderTests
{
    private const string Cluster = "ReverseProxy:Clusters:usersvc";
    private const string Transform = "ReverseProxy:Routes:user:Transforms:1";

    private readonly FakeTimeProvider _time = new();

    // The one sends a chunked body with its length, the other as it came.
    [Theory]
    [InlineData("Content-Length")]
    [InlineData("Content-Length", $"{Transform}:ResponseHeader=X-Mine", $"{Transform}:Set=1")]
    [InlineData("Content-Length", $"{Cluster}:HttpRequest:ActivityTimeout=00:00:20", $"{Cluster}:HttpClient:SslProtocols:0=Tls12")]
    [InlineData("Transfer-Encoding", $"{Transform}:RequestHeader=X-Mine", $"{Transform}:Set=1")]
    [InlineData("Transfer-Encoding", $"{Transform}:RequestHeadersCopy=true")]
    [InlineData("Transfer-Encoding", $"{Transform}:ResponseHeadersAllowed=Date")]
    [InlineData("Transfer-Encoding", $"{Transform}:ResponseTrailerRemove=X-Sum")]
    [InlineData("Transfer-Encoding", $"{Transform}:PathRemovePrefix=/x")]
    [InlineData("Transfer-Encoding", $"{Cluster}:HttpClient:MaxConnectionsPerServer=10")]
    [InlineData("Transfer-Encoding", $"{Cluster}:HttpRequest:Version=2", $"{Cluster}:HttpRequest:VersionPolicy=RequestVersionOrLower")]
    public async Task Request_WithTheseSettings_IsForwardedByTheEdgeOrByYarp(string header, params string[] settings)
    {
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await EdgeHost.ReadyAsync([upstream], settings.Select(s => s.Split('=')).Select(s => (s[0], s[1])));

        await SendChunkedAsync(edge, "5\r\nhello\r\n0\r\n\r\n");

        Assert.Equal([(header, 5)], upstream.Requests.Select(r => (r.Headers.Keys.Single(k => k is "Content-Length" or "Transfer-Encoding"), r.BodyLength)));
    }

    [Theory]
    [InlineData(4_000, "Content-Length")]
    [InlineData(5_000, "Content-Length")]
    [InlineData(65_535, "Content-Length")]
    [InlineData(65_537, "Transfer-Encoding")]
    public async Task Body_OfThisLength_ArrivesWhole(int length, string header)
    {
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await EdgeHost.ReadyAsync([upstream], ("Kestrel:Limits:MaxRequestBodySize", "1000000"));

        await SendChunkedAsync(edge, $"{length:x}\r\n{new string('a', length)}\r\n0\r\n\r\n");

        Assert.Equal([(header, length)], upstream.Requests.Select(r => (r.Headers.Keys.Single(k => k is "Content-Length" or "Transfer-Encoding"), r.BodyLength)));
    }

    [Fact]
    public async Task Answer_WhoseBodyStalls_IsCut()
    {
        await using var upstream = await Upstream.StartAsync(answer: async context =>
        {
            await context.Response.WriteAsync("the beginning");
            await context.Response.Body.FlushAsync();
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        });
        await using var edge = await EdgeHost.ReadyAsync(_time, [upstream], ($"{EdgeHost.HttpRequest}:ActivityTimeout", "00:00:10"), (EdgeHost.RouteTimeout, "10:00:00"));

        using var response = await edge.Public.GetAsync("/user/alice", HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
        using var body = await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
        await body.ReadExactlyAsync(new byte[13], TestContext.Current.CancellationToken);
        var rest = body.ReadExactlyAsync(new byte[1], TestContext.Current.CancellationToken).AsTask();
        // The time counts from when the edge notes that it has sent the beginning, which may be after it has arrived.
        await Eventually.HoldsAsync(() =>
        {
            _time.Advance(TimeSpan.FromSeconds(10));
            return Task.FromResult(rest.IsCompleted);
        });

        await Assert.ThrowsAnyAsync<IOException>(() => rest);
    }

    private static async Task SendChunkedAsync(EdgeHost edge, string body)
    {
        using var connection = await RawConnection.OpenAsync(edge.Public.BaseAddress!);
        await connection.SendAsync($"PUT /user/alice HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        Assert.StartsWith("HTTP/1.1 200 OK\r\n", await connection.ReadHeadAsync(), StringComparison.Ordinal);
    }
}
