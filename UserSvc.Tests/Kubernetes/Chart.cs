using System.Security.Cryptography;
using k8s;
using k8s.Models;
using UserSvc.Tests.AppHost;

namespace UserSvc.Tests.Kubernetes;

/// <summary>The committed chart, deploy/helm, with one of the sets of values in Charts/, as Charts/render.sh rendered it.</summary>
internal sealed class Chart(string values)
{
    public static string Folder => Manifest.RepositoryFile("deploy/helm");

    public string ValuesFile => Manifest.RepositoryFile($"UserSvc.Tests/Kubernetes/Charts/{values}.values.yaml");

    public string Rendered => File.ReadAllText(Manifest.RepositoryFile($"UserSvc.Tests/Kubernetes/Charts/{values}.rendered.yaml"));

    public List<IKubernetesObject<V1ObjectMeta>> Objects => Manifests.Parse(Rendered);

    /// <summary>The first line of what is rendered from this chart and these values.</summary>
    public string FirstLine
    {
        get
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            var files = Directory.EnumerateFiles(Folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal);
            foreach (var file in files.Append(ValuesFile))
            {
                hash.AppendData(File.ReadAllBytes(file));
            }

            return $"# sha256:{Convert.ToHexStringLower(hash.GetHashAndReset())}";
        }
    }
}
