using System.Text;
using k8s;
using k8s.Models;
using UserSvc.Tests.AppHost;

namespace UserSvc.Tests.Kubernetes;

[Scenario]
public sealed class KustomizeTests : IDisposable
{
    private const string Placeholder = "replaced-by-the-overlay";

    private static readonly string[] Labels = ["app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"];

    private readonly Kustomization _kustomization = new();

    public static TheoryData<string, string[]> Overlays => new()
    {
        { "overlays/local", [] },
        { "overlays/local", ["sidecar"] },
        { "overlays/local", ["autoscaling"] },
        { "overlays/local", ["telemetry"] },
        { "overlays/local", ["external-database"] },
        { "overlays/local", ["sidecar", "autoscaling", "telemetry", "external-database"] },
        { "overlays/gke", [] },
        { "overlays/gke", ["gateway"] },
        { "overlays/gke", ["sidecar", "telemetry"] },
        { "overlays/gke", ["sidecar", "autoscaling", "gateway", "external-database", "telemetry"] },
    };

    public void Dispose() => _kustomization.Dispose();

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Overlay_WithItsSwitches_IsSound(string overlay, string[] switches)
    {
        var objects = await _kustomization.RenderAsync(overlay, switches);

        Assert.Equal([], Problems(objects, "usersvc"));
    }

    [Fact]
    public async Task Overlay_UnderOneOfYourOwn_TakesItsNamespaceImagesAndSwitches()
    {
        await File.WriteAllTextAsync(
            _kustomization.PathOf("kustomization.yaml"),
            """
            apiVersion: kustomize.config.k8s.io/v1beta1
            kind: Kustomization
            namespace: elsewhere
            resources: [overlays/gke]
            components: [components/sidecar, components/autoscaling, components/gateway, components/telemetry]
            images:
            - {name: usersvc, newName: registry.example/usersvc, newTag: "1"}
            - {name: edge, newName: registry.example/edge, newTag: "2"}
            - {name: docker.io/library/postgres, newName: registry.example/postgres, newTag: "3"}
            """,
            TestContext.Current.CancellationToken);

        var objects = await _kustomization.RenderAsync(".");

        Assert.Equal([], Problems(objects, "elsewhere"));
        Assert.Equal(
            ["registry.example/edge:2", "registry.example/edge:2", "registry.example/postgres:3", "registry.example/usersvc:1"],
            objects.Pods().SelectMany(p => p.AllContainers).Select(c => c.Image).Order());
    }

    [Theory]
    [MemberData(nameof(Overlays))]
    public async Task Overlay_SecretValues_AreInSecretsAlone(string overlay, string[] switches)
    {
        var objects = await _kustomization.RenderAsync(overlay, switches);

        var open = objects.Where(o => o is not V1Secret).Select(o => KubernetesJson.Serialize(o));
        Assert.Equal([], open.Where(json => _kustomization.Secrets.Append(Placeholder).Append("Password=").Any(s => json.Contains(s, StringComparison.Ordinal))));
    }

    [Theory]
    [InlineData("usersvc", "Passwords__Concurrency")]
    [InlineData("edge")]
    [InlineData("postgres", "PGDATA")]
    public async Task Pod_Environment_IsTheManifestsAndItsSettings(string resource, params string[] settings)
    {
        var objects = await _kustomization.RenderAsync("overlays/local");

        Assert.Equal(Expected(resource, settings), Found(objects, resource, settings, _kustomization.Secrets.Contains));
    }

    [Theory]
    [InlineData("overlays/local", "edge LoadBalancer: http 80 to 8080", "postgres None: tcp 5432 to 5432", "usersvc ClusterIP: http 80 to 8080")]
    [InlineData("overlays/gke", "edge LoadBalancer: http 80 to 8080, https 443 to 8443", "postgres None: tcp 5432 to 5432", "usersvc ClusterIP: http 80 to 8080")]
    public async Task Overlay_Services_AreTheDesigns(string overlay, params string[] services)
    {
        var objects = await _kustomization.RenderAsync(overlay);

        Assert.Equal(services, objects.OfType<V1Service>().Select(s => $"{s.Name()} {s.Spec.ClusterIP ?? s.Spec.Type}: {string.Join(", ", s.Spec.Ports.OrderBy(p => p.Port).Select(p => $"{p.Name} {p.Port} to {p.TargetPort.Value}"))}").Order());
    }

    [Fact]
    public async Task Sidecar_SwitchedOn_StandsBeforeTheInstance()
    {
        var objects = await _kustomization.RenderAsync("overlays/local", "sidecar");

        var pod = objects.OfType<V1Deployment>().Single(d => d.Name() == "usersvc").Spec.Template.Spec;
        var (sidecar, instance) = (pod.InitContainers.Single(), pod.Containers.Single());
        Assert.Equal(
            ("Always", "edge:latest", "8080 8002", "", "5000", "8080 8080 8080"),
            (sidecar.RestartPolicy, sidecar.Image, PortsOf(sidecar), PortsOf(instance), Environment(objects, "usersvc")["Listen__LoopbackPort"],
                string.Join(' ', new[] { instance.StartupProbe, instance.LivenessProbe, instance.ReadinessProbe }.Select(p => p.HttpGet.Port.Value))));
    }

    [Theory]
    [InlineData("usersvc.env")]
    [InlineData("postgres.env")]
    public async Task Overlay_WithoutASecretsFile_FailsAndNamesIt(string file)
    {
        File.Delete(_kustomization.PathOf($"overlays/gke/{file}"));

        var result = await _kustomization.BuildAsync("overlays/gke");

        Assert.False(result.Succeeded);
        Assert.Contains($"overlays/gke/{file}: no such file or directory", result.Error);
    }

    [Fact]
    public async Task Base_Workloads_AreTheManifests()
    {
        var objects = await _kustomization.RenderAsync("base");

        var found = objects.Pods().Select(p => $"{p.Owner}: {p.Spec.Containers.Single().Image} {PortsOf(p.Spec.Containers.Single())}");
        Assert.Equal(Workloads().Select(w => $"{w.Kind} {w.Name}: {w.Image} {string.Join(' ', w.Ports)}").Order(), found.Order());
        Assert.Equal(
            Workloads().SelectMany(w => new[] { $"{w.Kind} {w.Name}", $"Service {w.Name}", $"ConfigMap {w.Name}-env" }).Order(),
            objects.Select(o => o.Id()).Order());
    }

    [Theory]
    [InlineData("usersvc", "ASPNETCORE_URLS")]
    [InlineData("edge", "ASPNETCORE_URLS")]
    [InlineData("postgres")]
    public async Task Base_Environment_IsTheManifestsWithPlaceholdersForSecrets(string resource, params string[] added)
    {
        var objects = await _kustomization.RenderAsync("base");

        Assert.Equal(Expected(resource, added), Found(objects, resource, added, value => value.Contains(Placeholder, StringComparison.Ordinal)));
    }

    private static IEnumerable<(string Name, string Kind, string Image, IEnumerable<int> Ports)> Workloads() =>
        from resource in Manifest.Resources
        where resource.Value!["type"]!.GetValue<string>() is "project.v0" or "container.v0"
        let ports = resource.Value!["bindings"]!.AsObject().Select(b => b.Value!["targetPort"]!.GetValue<int>())
        select (resource.Key, resource.Value!["volumes"] is null ? "Deployment" : "StatefulSet", resource.Value!["image"]?.GetValue<string>() ?? $"{resource.Key}:latest", ports);

    private static List<string> Problems(List<IKubernetesObject<V1ObjectMeta>> objects, string @namespace) =>
    [
        .. Wiring.Problems(objects, "Secret edge-tls"),
        .. Policies.Problems(objects),
        .. objects.Pods().SelectMany(pods => PodSecurity.RestrictedViolations(pods.Spec).Select(violation => $"{pods.Owner}: {violation}")),
        .. objects.Where(o => !Labels.All(l => o.Labels()?.ContainsKey(l) == true)).Select(o => $"{o.Id()}: a label is missing"),
        .. objects.Where(o => o.Namespace() != @namespace).Select(o => $"{o.Id()}: in another namespace"),
    ];

    // A line a variable: its value, or that it is a secret, or that it is none of the manifest's.
    private static IEnumerable<string> Expected(string resource, string[] added) => Manifest.Environment(resource).Select(v => v.Value switch
    {
        "{admin-key.value}" or "{postgres-password.value}" or "{users.connectionString}" => $"{v.Key}: secret",
        ['{', .., '}'] binding => $"{v.Key}={Manifest.Resources[resource]!["bindings"]![binding.Split('.')[2]]!["targetPort"]}",
        var value => $"{v.Key}={value}",
    }).Concat(added.Select(name => $"{name}: added")).Order();

    private static IEnumerable<string> Found(List<IKubernetesObject<V1ObjectMeta>> objects, string container, string[] added, Predicate<string> isSecret) =>
        Environment(objects, container).Select(v => added.Contains(v.Key) ? $"{v.Key}: added" : isSecret(v.Value) ? $"{v.Key}: secret" : $"{v.Key}={v.Value}").Order();

    private static Dictionary<string, string> Environment(List<IKubernetesObject<V1ObjectMeta>> objects, string container) =>
        objects.Pods().Single(p => p.Spec.Containers[0].Name == container).Spec.Containers[0].EnvFrom
            .SelectMany(source => source.ConfigMapRef is { } map
                ? objects.OfType<V1ConfigMap>().Single(m => m.Name() == map.Name).Data ?? new Dictionary<string, string>()
                : objects.OfType<V1Secret>().Single(s => s.Name() == source.SecretRef.Name).Data.ToDictionary(v => v.Key, v => Encoding.UTF8.GetString(v.Value)))
            .ToDictionary();

    private static string PortsOf(V1Container container) => string.Join(' ', (container.Ports ?? []).Select(p => p.ContainerPort));
}
