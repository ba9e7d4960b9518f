using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

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
    [InlineData("Destinations:usersvc-1:Host=usersvc.test", "HTTP/1.1 Tls13, name usersvc.test")]
    [InlineData("Destinations:usersvc-1:Host=usersvc.test:8443 HttpRequest:Version=2", "HTTP/2 Tls13, name usersvc.test")]
    public async Task TlsUpstream_WithASetting_IsSpokenToAccordingly(string settings, string seen)
    {
        using var certificate = SelfSigned("usersvc.test");
        await using var upstream = await Upstream.StartAsync(answer: Describe, protocols: HttpProtocols.Http1AndHttp2, certificate: certificate);
        await using var edge = await EdgeHost.ReadyAsync([upstream],
            [($"{HttpClient}:DangerousAcceptAnyServerCertificate", "true"), .. settings.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(s => s.Split('=')).Select(s => ($"ReverseProxy:Clusters:usersvc:{s[0]}", s[1]))]);

        Assert.Equal(new Answer(200, seen), await edge.Public.AskAsync("/user/alice"));
    }

    [Fact]
    public async Task TlsUpstream_WithAnUntrustedCertificate_Is502()
    {
        using var certificate = SelfSigned("usersvc.test");
        await using var upstream = await Upstream.StartAsync(certificate: certificate);
        await using var edge = await EdgeHost.StartAsync([(upstream.Name, upstream.Address)], ($"{EdgeHost.Probing}:Enabled", "false"));

        Assert.Equal(EdgeAnswers.Problem(502, "upstream_failed", "The service failed to answer."), await edge.Public.AskAsync("/user/alice"));
    }

    [Fact]
    public async Task TlsUpstream_WithAHostOfItsOwn_MustHaveACertificateForThatName()
    {
        const string Destinations = "ReverseProxy:Clusters:usersvc:Destinations";
        using var certificate = SelfSigned("a.test");
        using var another = SelfSigned("b.test");
        await using var a = await Upstream.StartAsync("a", Describe, certificate: certificate);
        await using var b = await Upstream.StartAsync("b", Describe, certificate: another);
        var authorities = Path.GetTempFileName();
        await File.WriteAllTextAsync(authorities, certificate.ExportCertificatePem() + "\n" + another.ExportCertificatePem(), TestContext.Current.CancellationToken);
        await using var edge = await EdgeProcess.ReadyAsync(a, [("SSL_CERT_FILE", authorities)],
        [
            ($"{Destinations}:a:Host", "a.test"),
            ($"{Destinations}:b:Address", b.Address), ($"{Destinations}:b:Host", "b.test"),
            ($"{Destinations}:wrong:Address", b.Address), ($"{Destinations}:wrong:Host", "a.test"),
            ($"{EdgeHost.Probing}:Enabled", "false"), ($"{EdgeHost.Metadata}:Retry.Attempts", "1"),
        ]);

        Answer[] answers = [await edge.Public.AskAsync("/user/alice"), await edge.Public.AskAsync("/user/alice"), await edge.Public.AskAsync("/user/alice")];
        File.Delete(authorities);

        Assert.Equal(
            [new(200, "HTTP/1.1 Tls13, name a.test"), new(200, "HTTP/1.1 Tls13, name b.test"), EdgeAnswers.Problem(502, "upstream_failed", "The service failed to answer.")],
            answers.OrderBy(answer => answer.Status).ThenBy(answer => answer.Body, StringComparer.Ordinal));
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

    [Theory]
    [InlineData("true", 2)]
    [InlineData("false", 1)]
    public async Task MultipleHttp2Connections_Allowed_CarryMoreRequestsThanOneConnectionMay(string allowed, int expected)
    {
        var connections = new ConcurrentDictionary<string, bool>();
        using var arrived = new SemaphoreSlim(0);
        var release = new TaskCompletionSource();
        await using var upstream = await Upstream.StartAsync(protocols: HttpProtocols.Http2, streams: 1, answer: async context =>
        {
            arrived.Release();
            await release.Task;
            await CountAsync(context, connections);
        });
        await using var edge = await EdgeHost.ReadyAsync([upstream],
            ($"{EdgeHost.Probing}:Enabled", "false"), ($"{EdgeHost.HttpRequest}:Version", "2"), ($"{HttpClient}:EnableMultipleHttp2Connections", allowed));

        var first = edge.Public.AskAsync("/user/alice");
        await arrived.WaitAsync(TestContext.Current.CancellationToken);
        var second = edge.Public.AskAsync("/user/bob");
        if (expected == 2)
        {
            await arrived.WaitAsync(TestContext.Current.CancellationToken);
        }

        release.SetResult();
        Assert.Equal([new Answer(200, "counted"), new Answer(200, "counted")], await Task.WhenAll(first, second));
        Assert.Equal(expected, connections.Count);
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
        // The feature's own HostName is empty where a server has one certificate for all names.
        var name = context.Features.GetRequiredFeature<ISslStreamFeature>().SslStream.TargetHostName;
        await context.Response.WriteAsync($"{context.Request.Protocol} {tls.Protocol}, name {(name is "" ? "none" : name)}", context.RequestAborted);
    }

    private static Task CountAsync(HttpContext context, ConcurrentDictionary<string, bool> connections)
    {
        connections[context.Connection.Id] = true;
        return context.Response.WriteAsync("counted", context.RequestAborted);
    }

    private static X509Certificate2 SelfSigned(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName(name);
        request.CertificateExtensions.Add(names.Build());
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }
}
