using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using UserSvc.AppHost.Topology;

namespace UserSvc.Tests.AppHost;

// These hold for the development certificate too, if the machine has one.
public sealed class LocalCertificateTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("usersvc-certificate-").FullName;

    [Fact]
    public void Certificate_Prepared_IsForLocalhostAndItsKeyForTheOwnerOnly()
    {
        var files = LocalCertificate.Prepare(_folder);

        using var certificate = X509Certificate2.CreateFromPemFile(files.Path, files.KeyPath);
        Assert.True(certificate.MatchesHostname("localhost"));
        Assert.True(certificate.NotAfter > DateTime.Now.AddDays(1));
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(files.KeyPath));
        }
    }

    [Fact]
    public void Certificate_PreparedAgain_StaysTheSame()
    {
        var first = Read(LocalCertificate.Prepare(_folder));
        var second = Read(LocalCertificate.Prepare(_folder));

        Assert.Equal(first, second);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(29)]
    public void Certificate_AboutToExpire_IsReplaced(int days)
    {
        var files = LocalCertificate.Prepare(_folder);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var old = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256).CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-300), DateTimeOffset.UtcNow.AddDays(days));
        File.WriteAllText(files.Path, old.ExportCertificatePem());
        File.WriteAllText(files.KeyPath, key.ExportPkcs8PrivateKeyPem());

        LocalCertificate.Prepare(_folder);

        using var certificate = X509Certificate2.CreateFromPemFile(files.Path, files.KeyPath);
        Assert.NotEqual(old.Thumbprint, certificate.Thumbprint);
    }

    [Fact]
    public void Certificate_WithAnotherKey_IsReplaced()
    {
        var files = LocalCertificate.Prepare(_folder);
        using var other = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        File.WriteAllText(files.KeyPath, other.ExportPkcs8PrivateKeyPem());

        LocalCertificate.Prepare(_folder);

        using var certificate = X509Certificate2.CreateFromPemFile(files.Path, files.KeyPath);
        Assert.True(certificate.HasPrivateKey);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private static (string, string) Read(LocalCertificate files) => (File.ReadAllText(files.Path), File.ReadAllText(files.KeyPath));
}
