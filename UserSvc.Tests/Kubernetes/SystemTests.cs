using k8s;
using k8s.Models;
using UserSvc.Tests.AppHost;

namespace UserSvc.Tests.Kubernetes;

[Scenario]
public sealed class SystemTests
{
    public static MatrixTheoryData<string, string> Kustomizations => new(["local", "gke"],
        ["", "sidecars", "autoscaling", "tls", "gateway", "external-database", "telemetry", "sidecars autoscaling tls gateway external-database telemetry"]);

    public static MatrixTheoryData<string, string> Workloads => new(["helm", "kustomize"], ["usersvc", "edge", "postgres"]);

    [Theory]
    [MemberData(nameof(Kustomizations))]
    public async Task Kustomize_WithItsShapes_IsSound(string overlay, string shapes)
    {
        var objects = Manifests.Parse(await Rendering.KustomizeAsync(overlay, shapes.Split(' ', StringSplitOptions.RemoveEmptyEntries)));

        AssertNone([.. Soundness.Problems(objects), .. objects.Where(o => o.Namespace() != "usersvc").Select(o => $"{o.Id()}: in another namespace")]);
    }

    [Fact]
    public void Helm_AsCommitted_IsSound() => AssertNone(Soundness.Problems(Manifests.Parse(Rendering.Helm)));

    [Fact]
    public async Task Helm_RenderedAgain_IsWhatIsCommittedKeepsPostgresInAnUpdateAndRefusesWhatCannotWork()
    {
        static string Postgres(string rendered) => KubernetesJson.Serialize(Manifests.Parse(rendered).OfType<V1StatefulSet>().Single().Spec.Template);
        var (again, update) = (await Rendering.HelmAgainAsync(), await Rendering.HelmAgainAsync("--set", "image.tag=v2"));
        var refused = new Dictionary<string, string>
        {
            ["usersvc.adminKey=short"] = "'adminKey' not allowed", ["usersvc.digest=abc"] = "at '/usersvc/digest'", ["image.registry=http://foo"] = "at '/image/registry'",
            ["usersvc.replicas=-1"] = "at '/usersvc/replicas'", ["networkPolicy.apiServerCidrs={10.0.0.1}"] = "at '/networkPolicy/apiServerCidrs/0'", ["gateway.enabled=true"] = "'enabled' not allowed",
        };

        Assert.Equal(Manifests.Parse(Rendering.Helm).Select(o => o.Json().ToJsonString()), Manifests.Parse(again.Output).Select(o => o.Json().ToJsonString()));
        Assert.Equal(Postgres(again.Output), Postgres(update.Output));
        foreach (var (value, problem) in refused)
        {
            Assert.Contains(problem, (await Rendering.HelmAgainAsync("--set", value)).Error);
        }
    }

    [Fact]
    public async Task Ways_OnGke_GiveTheSameSystem()
    {
        var helm = Comparison.Lines(Manifests.Parse(Rendering.Helm));
        var kustomize = Comparison.Lines(Manifests.Parse(await Rendering.KustomizeAsync("gke")));

        AssertNone([.. helm.Except(kustomize).Order().Select(line => $"helm only: {line}"), .. kustomize.Except(helm).Order().Select(line => $"kustomize only: {line}")]);
    }

    // An upgrade cannot change selectors or claims, and does not remove objects under their old names.
    [Theory]
    [InlineData("helm", "app.kubernetes.io/component={0},app.kubernetes.io/instance=usersvc,app.kubernetes.io/name=usersvc")]
    [InlineData("kustomize", "app={0}")]
    public async Task Objects_OfEitherWay_KeepTheirNamesAndSelectors(string way, string selector)
    {
        var objects = Manifests.Parse(await Rendering.GetAsync(way));

        Assert.Equal(
            [
                $"Deployment edge of {selector.Replace("{0}", "edge")}", $"Deployment usersvc of {selector.Replace("{0}", "usersvc")}",
                "NetworkPolicy default-deny", "NetworkPolicy dns", "NetworkPolicy edge", "NetworkPolicy postgres", "NetworkPolicy usersvc",
                "PodDisruptionBudget edge", "PodDisruptionBudget usersvc", "PodMonitoring edge", "Role edge", "RoleBinding edge",
                "Service database: tcp 5432 to 5432", "Service edge: http 80 to 8080", "Service postgres: tcp 5432 to 5432", "Service usersvc: http 80 to 8080",
                "ServiceAccount edge", "ServiceAccount postgres", "ServiceAccount usersvc", $"StatefulSet postgres of {selector.Replace("{0}", "postgres")} with data 10Gi",
            ],
            objects.Where(o => o is not V1ConfigMap).Select(o => o switch
            {
                V1Deployment d => $"{d.Id()} of {Labels(d.Spec.Selector)}",
                V1StatefulSet s => $"{s.Id()} of {Labels(s.Spec.Selector)} with {string.Join(' ', s.Spec.VolumeClaimTemplates.Select(c => $"{c.Name()} {c.Spec.Resources.Requests["storage"]}"))}",
                V1Service s => $"{s.Id()}: {string.Join(' ', s.Spec.Ports.Select(p => $"{p.Name} {p.Port} to {p.TargetPort.Value}"))}",
                _ => o.Id(),
            }).Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Workloads))]
    public async Task Workload_ByEitherWay_IsTheManifests(string way, string resource)
    {
        var objects = Manifests.Parse(await Rendering.GetAsync(way));

        var (container, manifest) = (objects.Pods().SelectMany(p => p.Containers).Single(c => c.Name == resource), Manifest.Resources[resource]!);
        var ports = manifest["bindings"]!.AsObject().Select(b => $"port {b.Key} {b.Value!["targetPort"]}");
        Assert.Equal(
            [.. ports, .. Manifest.Environment(resource).Select(v => $"{v.Key}={Deployed(v.Value)}").Concat(Added(resource)).Order(StringComparer.Ordinal), $"{manifest["image"] ?? $"registry.example/{resource}:v1"}"],
            [.. container.Ports.Select(p => $"port {p.Name} {p.ContainerPort}"), .. objects.Environment(container).Select(v => $"{v.Key}={v.Value}").Order(StringComparer.Ordinal), container.Image]);
    }

    [Fact]
    public async Task Overlay_AsCommitted_NamesAnApiServerThatIsRefused()
    {
        var objects = Manifests.Parse(await Rendering.BuildAsync(Manifest.RepositoryFile("deploy/aspirate/overlays/gke")));

        Assert.Equal(["API-SERVER-ADDRESS/32"], objects.OfType<V1NetworkPolicy>().Single(p => p.Name() == "edge").Spec.Egress[0].To.Select(peer => peer.IpBlock.Cidr));
    }

    [Theory]
    [InlineData("kind: StatefulSet", "kind: StatefulSets", "apps/v1/StatefulSets is not a known kind")]
    [InlineData("readinessProbe:", "readynessProbe:", "The JSON property 'readynessProbe' could not be mapped")]
    [InlineData("HTTP_PORTS: \"8080\"", "HTTP_PORTS: 8080", "The JSON value could not be converted to System.String")]
    [InlineData("minReadySeconds: 2", "minReadySeconds: 2\n  minReadySeconds: 2", "Encountered duplicate key minReadySeconds")]
    [InlineData("name: database", "name: postgres", "Service postgres: defined twice")]
    [InlineData("Username=postgres;", "Username=postgres;Password=x;", "holds a secret")]
    [InlineData("    matchLabels:\n      app: edge\n", "    matchLabels:\n      app: egde\n", "PodDisruptionBudget edge: selects no pods")]
    [InlineData("targetPort: 8080", "targetPort: 8081", "Service edge: Deployment edge does not have port 8081")]
    [InlineData("port: health", "port: healthy", "PodMonitoring edge: Deployment edge does not have port healthy")]
    [InlineData("port: 8002\n          period", "port: 8003\n          period", "Deployment edge: probes port 8003, which it does not have")]
    [InlineData("            name: edge-env", "            name: egde-env", "Deployment edge: no ConfigMap egde-env")]
    [InlineData("key: Admin__Key", "key: AdminKey", "Deployment usersvc: no Secret usersvc-admin/AdminKey")]
    [InlineData("- mountPath: /tmp\n          name: tmp", "- mountPath: /tmp\n          name: temp", "Deployment edge: no volume temp")]
    [InlineData("    - port: 5432\n", "    - port: 5433\n", "NetworkPolicy postgres: opens port 5433, which StatefulSet postgres does not have")]
    [InlineData("    - port: 5432\n", "    - port: 5433\n", "Service database: no NetworkPolicy opens port 5432 of StatefulSet postgres")]
    [InlineData("          app: postgres\n  ingress", "          app: postgre\n  ingress", "NetworkPolicy usersvc: a selector selects no pods")]
    [InlineData("  - Ingress\n  - Egress", "  - Ingress", "Deployment edge: is not denied by default")]
    [InlineData("runAsUser: 1654", "runAsUser: 0", "Deployment edge: may run as root")]
    [InlineData("type: RuntimeDefault", "type: Unconfined", "Deployment edge: has no seccomp profile")]
    [InlineData("emptyDir:\n          sizeLimit: 64Mi", "hostPath:\n          path: /tmp", "Deployment edge: has a volume of a forbidden type")]
    [InlineData("- ALL", "- NET_RAW", "Deployment edge: has a container with too many privileges")]
    public async Task Mistake_InTheRendering_IsFound(string right, string wrong, string problem)
    {
        var mistaken = (await Rendering.KustomizeAsync("gke")).Replace(right, wrong, StringComparison.Ordinal);

        List<string> found = [];
        var failure = Record.Exception(() => found = Soundness.Problems(Manifests.Parse(mistaken)));

        Assert.Contains(found.Append(failure?.Message ?? ""), f => f.Contains(problem, StringComparison.Ordinal));
    }

    private static void AssertNone(IReadOnlyList<string> problems) => Assert.True(problems is [], string.Join('\n', problems));

    private static string Labels(V1LabelSelector selector) => string.Join(',', selector.MatchLabels.Select(l => $"{l.Key}={l.Value}").Order(StringComparer.Ordinal));

    private static string Deployed(string value) => value switch
    {
        "{admin-key.value}" => "Secret usersvc-admin/Admin__Key",
        "{postgres-password.value}" => "Secret postgres-secrets/POSTGRES_PASSWORD",
        "{users.connectionString}" => "Host=database;Port=5432;Username=postgres;Database=users",
        "{usersvc.bindings.http.targetPort}" => "8080",
        _ => value,
    };

    private static string[] Added(string workload) => workload switch
    {
        "postgres" => ["PGDATA=/var/lib/postgresql/18/docker"],
        "usersvc" => [.. Added("edge"), "PGPASSWORD=Secret postgres-secrets/POSTGRES_PASSWORD", "Passwords__Concurrency=2"],
        _ => ["Drain__Time=00:00:15", "POD_NAME=field metadata.name", "POD_NAMESPACE=field metadata.namespace", "NODE_NAME=field spec.nodeName"],
    };
}
