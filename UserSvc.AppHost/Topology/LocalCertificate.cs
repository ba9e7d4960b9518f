using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using UserSvc.AppHost.Postgres;

namespace UserSvc.AppHost.Topology;

/// <summary>
/// A certificate for localhost and its key, in PEM files: the .NET development certificate (<c>dotnet dev-certs https</c>) if its key can be
/// exported, otherwise one created here and renewed a month before it expires.
/// </summary>
internal sealed record LocalCertificate(string Path, string KeyPath)
{
    // The extension that marks a development certificate.
    private const string DevelopmentExtension = "1.3.6.1.4.1.311.84.1.1";
    private const string ServerAuthentication = "1.3.6.1.5.5.7.3.1";

    private static readonly TimeSpan Lifetime = TimeSpan.FromDays(365);
    private static readonly TimeSpan Renewal = TimeSpan.FromDays(30);

    public static LocalCertificate Prepare(string folder)
    {
        var files = new LocalCertificate(System.IO.Path.Combine(folder, "localhost.crt"), System.IO.Path.Combine(folder, "localhost.key"));
        Directory.CreateDirectory(folder);
        if (FindDevelopment() is var (certificate, key))
        {
            files.Write(certificate, key);
        }
        else if (!files.AreUsable())
        {
            files.Create();
        }

        return files;
    }

    private static (string Certificate, string Key)? FindDevelopment()
    {
        using var store = new X509Store(StoreName.My, StoreLocation.CurrentUser);
        try
        {
            store.Open(OpenFlags.ReadOnly | OpenFlags.OpenExistingOnly);
            var best = store.Certificates
                .Where(c => c.HasPrivateKey && c.NotBefore <= DateTime.Now && c.NotAfter > DateTime.Now + TimeSpan.FromDays(1)
                    && c.Extensions.Any(e => e.Oid?.Value == DevelopmentExtension))
                .MaxBy(c => c.NotAfter);
            using var key = best?.GetRSAPrivateKey();
            return key is null ? null : (best!.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
        }
        catch (CryptographicException)
        {
            // There is no store, or the key cannot be exported.
            return null;
        }
    }

    private bool AreUsable()
    {
        try
        {
            using var certificate = X509Certificate2.CreateFromPemFile(Path, KeyPath);
            return certificate.NotAfter > DateTime.Now + Renewal;
        }
        catch (Exception failure) when (failure is IOException or CryptographicException or ArgumentException)
        {
            return false;
        }
    }

    private void Create()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        names.AddIpAddress(IPAddress.IPv6Loopback);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256)
        {
            CertificateExtensions =
            {
                names.Build(),
                new X509BasicConstraintsExtension(certificateAuthority: false, hasPathLengthConstraint: false, pathLengthConstraint: 0, critical: true),
                new X509KeyUsageExtension(X509KeyUsageFlags.DigitalSignature, critical: true),
                new X509EnhancedKeyUsageExtension([new(ServerAuthentication)], critical: false),
            },
        };
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow + Lifetime);
        Write(certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }

    private void Write(string certificate, string key)
    {
        SecretFile.Write(KeyPath, key);
        File.WriteAllText(Path, certificate + "\n");
    }
}
