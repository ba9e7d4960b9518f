using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace UserSvc.Tests.Infrastructure;

internal static class TrustedClient
{
    /// <summary>A client that trusts the certificates of this PEM file and no others, names included, as <c>curl --cacert</c> does.</summary>
    public static HttpClient Of(string caCertificates, Uri address)
    {
        var roots = new X509Certificate2Collection();
        roots.ImportFromPemFile(caCertificates);
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(roots);
        return new(new SocketsHttpHandler { SslOptions = new SslClientAuthenticationOptions { CertificateChainPolicy = policy } }) { BaseAddress = address };
    }
}
