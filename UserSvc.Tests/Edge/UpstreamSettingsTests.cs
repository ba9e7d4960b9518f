using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;

namespace UserSvc.Tests.Edge;

/// <summary>What <c>HttpClient</c>, <c>HttpRequest</c> and the edge's own settings of a cluster do to the connections to an upstream.</summary>
public sealed class UpstreamSettingsTests
{
    private const string HttpClient = "ReverseProxy:Clusters:usersvc:HttpClient";

    [Theory]
    [InlineData("", "HTTP/1.1 Tls13, name none")]
    [InlineData("HttpRequest:Version=2", "HTTP/2 Tls13, name none")]
    [InlineData("HttpRequest:Version=2 HttpRequest:VersionPolicy=RequestVersionOrLower", "HTTP/2 Tls13, name none")]
    [InlineData("HttpClient:SslProtocols:0=Tls12", "HTTP/1.1 Tls12, name none")]
    public async Task TlsUpstream_WithASetting_IsSpokenToAccordingly(string settings, string seen)
    {
        using var certificate = SelfSigned();
        await using var upstream = await Upstream.StartAsync(answer: Describe, protocols: HttpProtocols.Http1AndHttp2, certificate: certificate);
        await using var edge = await EdgeHost.ReadyAsync([upstream],
            [($"{HttpClient}:DangerousAcceptAnyServerCertificate", "true"), .. settings.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(s => s.Split('=')).Select(s => ($"ReverseProxy:Clusters:usersvc:{s[0]}", s[1]))]);

        Assert.Equal(new Answer(200, seen), await edge.Public.AskAsync("/user/alice"));
    }

    [Fact]
    public async Task TlsUpstream_WithAnUntrustedCertificate_Is502()
    {
        using var certificate = SelfSigned();
        await using var upstream = await Upstream.StartAsync(certificate: certificate);
        await using var edge = await EdgeHost.StartAsync([(upstream.Name, upstream.Address)], ($"{EdgeHost.Probing}:Enabled", "false"));

        Assert.Equal(EdgeAnswers.Problem(502, "upstream_failed", "The service failed to answer."), await edge.Public.AskAsync("/user/alice"));
    }

    [Fact]
    public async Task WebProxy_Set_GetsTheRequests()
    {
        await using var proxy = await Upstream.StartAsync();
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", "http://usersvc.test:8080")], ($"{EdgeHost.Probing}:Enabled", "false"), ($"{HttpClient}:WebProxy:Address", proxy.Address));

        Assert.Equal(new Answer(200, "usersvc-1"), await edge.Public.AskAsync("/user/alice"));
        Assert.Equal(("http://usersvc.test:8080/user/alice", "usersvc.test:8080"), (proxy.Requests.Single().Target, proxy.Requests.Single().Headers["Host"]));
    }

    [Fact]
    public async Task MaxConnectionsPerServer_Reached_MakesRequestsWaitForAConnection()
    {
        var connections = new ConcurrentDictionary<string, bool>();
        await using var upstream = await Upstream.StartAsync(answer: context => CountAsync(context, connections));
        await using var edge = await EdgeHost.ReadyAsync([upstream], ($"{HttpClient}:MaxConnectionsPerServer", "1"));

        var answers = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => edge.Public.AskAsync("/user/alice")));

        Assert.All(answers, answer => Assert.Equal(200, answer.Status));
        Assert.Single(connections);
    }

    [Fact]
    public async Task Connection_OlderThanTheIdleTimeout_IsNotUsedAgain()
    {
        var connections = new ConcurrentDictionary<string, bool>();
        await using var upstream = await Upstream.StartAsync(answer: context => CountAsync(context, connections));
        await using var edge = await EdgeHost.ReadyAsync([upstream], ($"{EdgeHost.Probing}:Enabled", "false"), ($"{EdgeHost.Metadata}:IdleTimeout", "00:00:00.100"));

        await Eventually.HoldsAsync(async () =>
        {
            using var response = await edge.Public.PostAsync("/user/alice/verify", new StringContent("{}"), TestContext.Current.CancellationToken);
            Assert.Equal(200, (int)response.StatusCode);
            return connections.Count > 1;
        });
    }

    private static async Task Describe(HttpContext context)
    {
        var tls = context.Features.GetRequiredFeature<ITlsHandshakeFeature>();
        await context.Response.WriteAsync($"{context.Request.Protocol} {tls.Protocol}, name {(tls.HostName is "" ? "none" : tls.HostName)}", context.RequestAborted);
    }

    private static Task CountAsync(HttpContext context, ConcurrentDictionary<string, bool> connections)
    {
        connections[context.Connection.Id] = true;
        return context.Response.WriteAsync("counted", context.RequestAborted);
    }

    private static X509Certificate2 SelfSigned()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        return new CertificateRequest("CN=usersvc.test", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }
}
