using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace UserSvc.Tests.Edge;

/// <summary>A certificate authority with an intermediate, and a pair of files with an issued certificate and its key.</summary>
internal sealed class PemFiles : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("usersvc-tls-");
    private readonly X509Certificate2 _root = Authority("CN=root", null);
    private readonly X509Certificate2 _intermediate;

    public PemFiles() => _intermediate = Authority("CN=intermediate", _root);

    public string CertificatePath => Path.Combine(_folder.FullName, "tls.crt");

    public string KeyPath => Path.Combine(_folder.FullName, "tls.key");

    public IEnumerable<(string, string)> Settings =>
    [
        ("Kestrel:Endpoints:Https:Url", "https://127.0.0.1:0"),
        ("Kestrel:Endpoints:Https:Certificate:Path", CertificatePath),
        ("Kestrel:Endpoints:Https:Certificate:KeyPath", KeyPath),
        ("Edge:Https:ReloadInterval", "00:00:00.100"),
    ];

    public X509Certificate2 Root => _root;

    /// <summary>A new certificate for localhost and its key, as the text of two files.</summary>
    public (string Certificates, string Key) Issue(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(_intermediate, DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(90), Serial());
        return ($"{certificate.ExportCertificatePem()}\n{_intermediate.ExportCertificatePem()}\n", key.ExportPkcs8PrivateKeyPem());
    }

    public void Write((string Certificates, string Key) pair)
    {
        Replace(CertificatePath, pair.Certificates);
        Replace(KeyPath, pair.Key);
    }

    /// <summary>As Kubernetes mounts a Secret: the files are links through <c>..data</c> to a folder of this version.</summary>
    public void Mount(string version, (string Certificates, string Key) pair)
    {
        var folder = _folder.CreateSubdirectory(version).FullName;
        File.WriteAllText(Path.Combine(folder, "tls.crt"), pair.Certificates);
        File.WriteAllText(Path.Combine(folder, "tls.key"), pair.Key);
        var data = Path.Combine(_folder.FullName, "..data");
        // Unlike Kubernetes, in two steps: .NET cannot rename a link over a link to a folder.
        File.Delete(data);
        File.CreateSymbolicLink(data, version);
        foreach (var path in (string[])[CertificatePath, KeyPath])
        {
            if (!File.Exists(path))
            {
                File.CreateSymbolicLink(path, Path.Combine("..data", Path.GetFileName(path)));
            }
        }
    }

    public void Dispose()
    {
        _folder.Delete(recursive: true);
        _root.Dispose();
        _intermediate.Dispose();
    }

    private static void Replace(string path, string text)
    {
        File.WriteAllText(path + ".new", text);
        File.Move(path + ".new", path, overwrite: true);
    }

    private static X509Certificate2 Authority(string name, X509Certificate2? issuer)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var (from, until) = (DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(issuer is null ? 365 : 364));
        if (issuer is null)
        {
            return request.CreateSelfSigned(from, until);
        }

        using var certificate = request.Create(issuer, from, until, Serial());
        return certificate.CopyWithPrivateKey(key);
    }

    private static byte[] Serial() => [1, .. RandomNumberGenerator.GetBytes(15)];
}
