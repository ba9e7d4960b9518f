using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Security.Authentication;
using UserSvc.AppHost.Processes;
using UserSvc.Tests.Edge;

namespace UserSvc.Tests.Images;

/// <summary>TLS 1.2 as the process that an image starts speaks it.</summary>
[UnsupportedOSPlatform("windows")]
[UnsupportedOSPlatform("android")]
public sealed class CipherSuitesTests
{
    private static readonly TlsCipherSuite[] Aead =
        [TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256];

    private static readonly TlsCipherSuite[] Cbc = [TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256, TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384];

    [Fact]
    public async Task Edge_OverTls12_AcceptsOnlyAeadSuites()
    {
        using var files = new PemFiles();
        files.Write(files.Issue("edge"));
        var port = Ports.Free();
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await ContainerProcess.EdgeAsync(upstream.Address,
            [("Kestrel__Endpoints__Https__Url", $"https://127.0.0.1:{port}"), ("Kestrel__Endpoints__Https__Certificate__Path", files.CertificatePath), ("Kestrel__Endpoints__Https__Certificate__KeyPath", files.KeyPath)]);

        var accepted = new List<TlsCipherSuite>();
        foreach (var suite in Aead.Concat(Cbc))
        {
            if (await IsAcceptedAsync(port, suite))
            {
                accepted.Add(suite);
            }
        }

        Assert.Equal(Aead, accepted);
    }

    private static async Task<bool> IsAcceptedAsync(int port, TlsCipherSuite suite)
    {
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(IPAddress.Loopback, port, TestContext.Current.CancellationToken);
        await using var tls = new SslStream(tcp.GetStream());
        try
        {
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = "localhost",
                    EnabledSslProtocols = SslProtocols.Tls12,
                    CipherSuitesPolicy = new([suite]),
                    RemoteCertificateValidationCallback = (_, certificate, _, _) => certificate is not null,
                },
                TestContext.Current.CancellationToken);
            return true;
        }
        catch (AuthenticationException)
        {
            return false;
        }
    }
}
