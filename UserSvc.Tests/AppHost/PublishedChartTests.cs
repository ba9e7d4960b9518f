using System.Diagnostics;
using UserSvc.AppHost;
using UserSvc.AppHost.Processes;
using UserSvc.Tests.Kubernetes;

namespace UserSvc.Tests.AppHost;

[Scenario]
public sealed class PublishedChartTests
{
    /// <summary>Every value that only operators set.</summary>
    private const string Values = """
        image: {registry: registry.example, tag: "1.0", pullPolicy: Always, pullSecrets: [{name: registry}]}
        usersvc:
          digest: sha256:1111111111111111111111111111111111111111111111111111111111111111
          existingSecret: usersvc-admin
          settings: {Lookup__QueueLimit: "8192"}
          podLabels: {team: users}
          podAnnotations: {example.com/on: "true"}
          serviceAccountAnnotations: {iam.gke.io/gcp-service-account: users@project.iam.gserviceaccount.com}
          nodeSelector: {kubernetes.io/arch: arm64}
          tolerations: [{key: kubernetes.io/arch, operator: Equal, value: arm64, effect: NoSchedule}]
          affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: pool, operator: Exists}]}]}}}
          priorityClassName: high
        edge:
          service: {annotations: {example.com/on: "true"}, options: {externalTrafficPolicy: Local, loadBalancerSourceRanges: [10.0.0.0/8]}}
        postgres: {existingSecret: postgres-secrets, image: "registry.example/postgres:18", storage: {className: premium, size: 50Gi}}
        networkPolicy: {apiServerCidrs: [10.0.0.2/32, "fd00::1/128"]}
        """;

    [Fact]
    public async Task Publish_Chart_EqualsTheCommittedOne()
    {
        using var published = await PublishedAsync();

        Assert.Equal(Files(Manifest.RepositoryFile("deploy/helm")), Files(published.Path));
    }

    [Theory]
    [InlineData("--Sidecars", "true", "--Autoscaling", "true", "--Tls", "true", "--Telemetry", "http://collector.observability:4317", "--ExternalDatabase", "users-database")]
    [InlineData("--Gateway", "users.example.com")]
    [InlineData("--Gateway", "users.example.com", "--CertificateMap", "users")]
    public async Task Publish_Shape_IsSoundWithAnOperatorsValues(params string[] shape)
    {
        Assert.SkipWhen(Command.OnPath("helm") is null, "helm is not on PATH");
        using var published = await PublishedAsync(shape);
        var values = Path.Combine(published.Path, "operator.yaml");
        await File.WriteAllTextAsync(values, Values, TestContext.Current.CancellationToken);

        var rendered = await Command.RunAsync(
            ["helm", "template", "usersvc", published.Path, "--namespace", "usersvc", "--skip-tests", "--values", values], Eventually.Deadline, TestContext.Current.CancellationToken);

        Assert.Equal("", rendered.Error);
        Assert.Empty(Soundness.Problems(Manifests.Parse(rendered.Output)));
    }

    private static async Task<TemporaryFolder> PublishedAsync(params IEnumerable<string> shape)
    {
        var folder = new TemporaryFolder();
        using var publisher = Process.Start("dotnet", [typeof(LaunchException).Assembly.Location, "--operation", "publish", "--step", "publish", "--output-path", folder.Path, .. shape]);
        await publisher.WaitForExitAsync(TestContext.Current.CancellationToken);
        return folder;
    }

    private static IEnumerable<(string Name, string Text)> Files(string folder) =>
        Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(file => (Path.GetRelativePath(folder, file), File.ReadAllText(file)));

    private sealed class TemporaryFolder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("usersvc-chart-").FullName;

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
