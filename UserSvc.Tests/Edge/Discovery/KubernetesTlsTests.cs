using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace UserSvc.Tests.Edge.Discovery;

public sealed class KubernetesTlsTests : IDisposable
{
    private readonly string _file = Path.Combine(Path.GetTempPath(), $"usersvc-ca-{Guid.NewGuid():N}.crt");

    public void Dispose() => File.Delete(_file);

    [Fact]
    public async Task ApiServer_CertifiedByTheClustersAuthority_IsTrusted()
    {
        using var authority = Authority();
        await using var api = await StartAsync(authority, IPAddress.Loopback);
        await using var source = await StartSourceAsync(api, authority);
        await Eventually.HoldsAsync(() => Task.FromResult(api.Watches == 1));

        api.Set("usersvc-a", Slices.Create(8080, ("usersvc-2", "10.0.0.2")));
        await source.PassAsync();

        await Eventually.HoldsAsync(() => Task.FromResult(source.Known?.SequenceEqual(["usersvc-2-uid 10.0.0.2:8080"]) is true));
    }

    [Theory]
    [InlineData(true, "127.0.0.2")]
    [InlineData(false, "127.0.0.1")]
    public async Task ApiServer_OfAnotherNameOrAuthority_IsNotAskedAndIsLogged(bool sameAuthority, string name)
    {
        using var authority = Authority();
        using var other = Authority();
        await using var api = await StartAsync(authority, IPAddress.Parse(name));
        await using var source = await StartSourceAsync(api, sameAuthority ? authority : other);
        await source.PausedAsync();

        Assert.Equal((null, 1), (source.Known, source.Failures));
        Assert.Empty(api.Asked);
        Assert.Contains("certificate", Assert.Single(source.Log), StringComparison.Ordinal);
    }

    private async Task<TestSource> StartSourceAsync(KubernetesApi api, X509Certificate2 authority)
    {
        await File.WriteAllTextAsync(_file, authority.ExportCertificatePem(), TestContext.Current.CancellationToken);
        return new("k8s+http://usersvc.users/http", o =>
        {
            o.Kubernetes.ApiServer = api.Address;
            o.Kubernetes.CertificateAuthorityFile = _file;
        });
    }

    private static async Task<KubernetesApi> StartAsync(X509Certificate2 authority, IPAddress address)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=kube-apiserver", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(address);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(authority, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddHours(1), RandomNumberGenerator.GetBytes(8));
        using var withKey = certificate.CopyWithPrivateKey(key);
        var api = new KubernetesApi(certificate: X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pfx), null));
        api.Set("usersvc-a", Slices.Create(8080, ("usersvc-1", "10.0.0.1")));
        await api.StartAsync();
        return api;
    }

    private static X509Certificate2 Authority()
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN=cluster-{Guid.NewGuid():N}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }
}
