using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace UserSvc.Tests.Infrastructure;

internal static class TrustedClient
{
    /// <summary>A client that only trusts the certificates in this PEM file and checks names, like <c>curl --cacert</c>.</summary>
    public static HttpClient Create(string caCertificates, Uri address)
    {
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(caCertificates);
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(roots);
        return new(new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy } }) { BaseAddress = address };
    }
}
