using System.Text.Json.Nodes;
using k8s;
using k8s.Models;

namespace UserSvc.Tests.Kubernetes;

/// <summary>Finds mistakes in a system that an API server does not reject when its objects are applied.</summary>
internal static class Soundness
{
    // Created by up.sh, an operator or cert-manager.
    private static readonly string[] KnownSecrets = ["Secret usersvc-admin/Admin__Key", "Secret postgres-secrets/POSTGRES_PASSWORD", "Secret users-database/ConnectionStrings__users", "Secret edge-tls"];

    // The kind that a field refers to, unless the reference names one.
    private static readonly Dictionary<string, string> Kinds = new()
    {
        ["configMapRef"] = "ConfigMap", ["configMapKeyRef"] = "ConfigMap", ["secretRef"] = "all of Secret", ["secretKeyRef"] = "Secret", ["secretName"] = "Secret",
        ["serviceAccountName"] = "ServiceAccount", ["serviceName"] = "Service", ["roleRef"] = "Role", ["subjects"] = "ServiceAccount", ["scaleTargetRef"] = "Deployment",
        ["targetRef"] = "Service", ["certificateRefs"] = "Secret", ["parentRefs"] = "Gateway", ["backendRefs"] = "Service",
    };

    public static List<string> Problems(List<IKubernetesObject<V1ObjectMeta>> objects)
    {
        var (pods, policies, targets) = (objects.Pods(), objects.OfType<V1NetworkPolicy>().ToList(), objects.SelectMany(Targets).Concat(KnownSecrets).ToHashSet());
        return
        [
            .. objects.CountBy(o => o.Id()).Where(o => o.Value > 1).Select(o => $"{o.Key}: defined twice"),
            .. objects.Where(o => o.Labels() is not { } labels || !labels.ContainsKey("app.kubernetes.io/name") || !labels.ContainsKey("app.kubernetes.io/instance")).Select(o => $"{o.Id()}: lacks a label"),
            .. objects.Where(o => o is V1Secret || o.Json().ToJsonString().Contains("Password=", StringComparison.Ordinal)).Select(o => $"{o.Id()}: holds a secret"),
            .. objects.SelectMany(o => References(o.Json()).Where(target => !targets.Contains(target)).Select(target => $"{o.Id()}: no {target}")),
            .. objects.SelectMany(o => Selection(o, pods)),
            .. from autoscaler in objects.OfType<V2HorizontalPodAutoscaler>()
               where objects.OfType<V1Deployment>().Any(d => d.Name() == autoscaler.Spec.ScaleTargetRef.Name && d.Spec.Replicas is not null)
               select $"{autoscaler.Id()}: its Deployment sets replicas, so every apply undoes the autoscaler",
            .. pods.SelectMany(OfPods),
            .. pods.SelectMany(Unrestricted),
            .. policies.SelectMany(policy => OfPolicy(policy, pods)),
            .. pods.Where(pod => !policies.Any(p => p.Spec is { Ingress: null or [], Egress: null or [], PolicyTypes.Count: 2 } && p.Spec.PodSelector.Selects(pod))).Select(pod => $"{pod.Owner}: is not denied by default"),
            .. from service in objects.OfType<V1Service>()
               from pod in pods.Where(new V1LabelSelector { MatchLabels = service.Spec.Selector }.Selects)
               from port in service.Spec.Ports.Select(p => (p.TargetPort ?? p.Port).Value)
               where !policies.Any(p => p.Spec.PodSelector.Selects(pod) && (p.Spec.Ingress ?? []).Any(rule => rule.Ports.Any(opened => opened.Port.Value == port)))
               select $"{service.Id()}: no NetworkPolicy opens port {port} of {pod.Owner}",
        ];
    }

    private static IEnumerable<string> Targets(IKubernetesObject<V1ObjectMeta> item) => (item switch
    {
        V1ConfigMap map => map.Data?.Keys ?? [],
        V1Service service => service.Spec.Ports.Select(p => $"{p.Port}"),
        CustomResource { Kind: "Gateway" } gateway => gateway.Spec["listeners"]!.AsArray().Select(l => $"{l!["name"]}"),
        _ => (IEnumerable<string>)[],
    }).Select(part => $"{item.Id()}/{part}").Append(item.Id());

    private static IEnumerable<string> References(JsonNode? node, string field = "") => node switch
    {
        JsonObject reference when Kinds.TryGetValue(field, out var kind) && reference["optional"] is null =>
            [$"{reference["kind"] ?? kind} {reference["name"]}{((reference["key"] ?? reference["sectionName"] ?? reference["port"]) is { } part ? $"/{part}" : "")}"],
        JsonObject map => map.SelectMany(m => References(m.Value, m.Key)),
        JsonArray list => list.SelectMany(item => References(item, field)),
        JsonValue name when Kinds.TryGetValue(field, out var kind) => [$"{kind} {name}"],
        _ => [],
    };

    private static IEnumerable<string> Selection(IKubernetesObject<V1ObjectMeta> item, List<Pods> pods)
    {
        var selector = item.Json()["spec"]?["selector"];
        var selected = selector is null ? [] : pods.Where(Manifests.Selector(selector).Selects).ToList();
        var ports = item is V1Service service ? service.Spec.Ports.Select(p => p.TargetPort ?? p.Port)
            : item is CustomResource { Kind: "PodMonitoring" } monitoring ? monitoring.Spec["endpoints"]!.AsArray().Select(e => (IntOrString)$"{e!["port"]}") : [];
        return
        [
            .. selector is not null && selected is [] ? [$"{item.Id()}: selects no pods"] : (string[])[],
            .. selected.SelectMany(pod => ports.Where(port => !pod.Declare(port)).Select(port => $"{item.Id()}: {pod.Owner} does not have port {port.Value}")),
        ];
    }

    private static IEnumerable<string> OfPods(Pods pods)
    {
        var probes = pods.Containers.SelectMany(c => new[] { c.StartupProbe, c.LivenessProbe, c.ReadinessProbe }).Select(p => p?.HttpGet?.Port);
        var mounts = pods.Containers.SelectMany(c => c.VolumeMounts ?? []).Select(m => m.Name).Distinct();
        return
        [
            .. probes.OfType<IntOrString>().Where(port => !pods.Declare(port)).Select(port => $"{pods.Owner}: probes port {port.Value}, which it does not have"),
            .. pods.Ports.CountBy(p => p.ContainerPort).Where(p => p.Value > 1).Select(p => $"{pods.Owner}: declares port {p.Key} twice"),
            .. mounts.Except((pods.Spec.Volumes ?? []).Select(v => v.Name)).Except(pods.Claims).Select(name => $"{pods.Owner}: no volume {name}"),
            .. (pods.Spec.TopologySpreadConstraints ?? []).Where(s => !s.LabelSelector.Selects(pods)).Select(s => $"{pods.Owner}: its spread over {s.TopologyKey} does not select its own pods"),
        ];
    }

    // Stricter than https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, because these pods do not need all that it allows.
    private static IEnumerable<string> Unrestricted(Pods pods)
    {
        (bool Broken, string Rule)[] rules =
        [
            (pods.Spec is not { HostNetwork: null, HostPID: null, HostIPC: null }, "shares a namespace with its host"),
            ((pods.Spec.Volumes ?? []).Any(v => v is { ConfigMap: null, EmptyDir: null, Secret: null }), "has a volume of a forbidden type"),
            (pods.Spec.SecurityContext is not { RunAsNonRoot: true, RunAsUser: > 0, Sysctls: null, AppArmorProfile: null, SeLinuxOptions: null }, "may run as root"),
            (pods.Spec.SecurityContext?.SeccompProfile?.Type != "RuntimeDefault", "has no seccomp profile"),
            (pods.Containers.Any(c => KubernetesJson.Serialize(c.SecurityContext) != """{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"readOnlyRootFilesystem":true}"""), "has a container with too many privileges"),
            (pods.Ports.Any(p => p.HostPort is not null), "uses a port of its host"),
        ];
        return rules.Where(r => r.Broken).Select(r => $"{pods.Owner}: {r.Rule}");
    }

    private static IEnumerable<string> OfPolicy(V1NetworkPolicy policy, List<Pods> pods)
    {
        var rules = (policy.Spec.Ingress ?? []).Select(rule => (rule.Ports, Peers: rule.FromProperty ?? [], To: pods.Where(policy.Spec.PodSelector.Selects).ToList()))
            .Concat((policy.Spec.Egress ?? []).Select(rule => (rule.Ports, Peers: rule.To ?? [], To: pods.Where(pod => (rule.To ?? []).Any(peer => IsLocal(peer) && peer.PodSelector.Selects(pod))).ToList())));
        return
        [
            .. rules.SelectMany(r => r.Peers).Where(IsLocal).Select(peer => peer.PodSelector).Append(policy.Spec.PodSelector).Where(selector => !pods.Any(selector.Selects)).Select(_ => $"{policy.Id()}: a selector selects no pods"),
            .. from rule in rules
               from port in rule.Ports.Select(p => p.Port)
               from pod in rule.To
               where !pod.Declare(port)
               select $"{policy.Id()}: opens port {port.Value}, which {pod.Owner} does not have",
        ];
    }

    private static bool IsLocal(V1NetworkPolicyPeer peer) => peer is { PodSelector: not null, NamespaceSelector: null };
}
