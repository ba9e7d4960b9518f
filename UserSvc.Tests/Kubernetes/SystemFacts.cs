using k8s;
using k8s.Models;

namespace UserSvc.Tests.Kubernetes;

/// <summary>What a system's objects come to, a line a fact, without what names its release, its images' registry and its generated names.</summary>
internal static class SystemFacts
{
    private static readonly string[] ReleaseLabels = ["app", "app.kubernetes.io/name", "app.kubernetes.io/instance"];

    public static HashSet<string> Of(List<IKubernetesObject<V1ObjectMeta>> objects) =>
    [
        .. objects.Where(o => o is not V1ConfigMap and not V1Secret).Select(o => o.Id()),
        .. objects.SelectMany(Own),
        .. objects.Pods().SelectMany(p => OfPods(p, objects)),
    ];

    private static IEnumerable<string> Own(IKubernetesObject<V1ObjectMeta> item) => item switch
    {
        V1Deployment d => [$"{d.Id()}: {(d.Spec.Replicas is { } replicas ? $"{replicas}" : "no")} replicas, surge {d.Spec.Strategy.RollingUpdate.MaxSurge.Value}, unavailable {d.Spec.Strategy.RollingUpdate.MaxUnavailable.Value}, ready {d.Spec.MinReadySeconds} s, deadline {d.Spec.ProgressDeadlineSeconds} s, history {d.Spec.RevisionHistoryLimit}"],
        V1StatefulSet s => s.Spec.VolumeClaimTemplates.Select(c => $"{s.Id()}: {s.Spec.Replicas} replicas in {s.Spec.ServiceName}, claims {c.Metadata.Name} {Json(c.Spec)}"),
        V1Service s => s.Spec.Ports.Select(p => $"{s.Id()}: {s.Spec.Type ?? "ClusterIP"} {s.Spec.ClusterIP} {p.Name} {p.Port} to {p.TargetPort.Value} {p.Protocol ?? "TCP"}"),
        V1ServiceAccount a => [$"{a.Id()}: token {a.AutomountServiceAccountToken}"],
        V1Role r => r.Rules.Select(rule => $"{r.Id()}: {Json(rule)}"),
        V1RoleBinding b => [$"{b.Id()}: {Json(b.RoleRef)} for {string.Join(' ', b.Subjects.Select(s => $"{s.Kind} {s.Name}"))}"],
        V1PodDisruptionBudget b => [$"{b.Id()}: unavailable {b.Spec.MaxUnavailable.Value}, of {Selector(b.Spec.Selector)}"],
        V2HorizontalPodAutoscaler a => [$"{a.Id()}: {Json(a.Spec)}"],
        V1NetworkPolicy p =>
        [
            $"{p.Id()}: of {Selector(p.Spec.PodSelector)}, {string.Join(' ', p.Spec.PolicyTypes)}",
            .. (p.Spec.Ingress ?? []).Select(rule => $"{p.Id()}: in {Ports(rule.Ports)} from {Peers(rule.FromProperty)}"),
            .. (p.Spec.Egress ?? []).Select(rule => $"{p.Id()}: out {Ports(rule.Ports)} to {Peers(rule.To)}"),
        ],
        Gateway g => [$"{g.Id()}: {Json(g.Spec)}"],
        HttpRoute r => [$"{r.Id()}: {Json(r.Spec)}"],
        HealthCheckPolicy p => [$"{p.Id()}: {Json(p.Spec)}"],
        PodMonitoring m => [$"{m.Id()}: of {Selector(m.Spec.Selector)}, {Json(m.Spec.Endpoints)}"],
        _ => [],
    };

    private static IEnumerable<string> OfPods(Pods pods, List<IKubernetesObject<V1ObjectMeta>> objects) =>
    [
        $"{pods.Owner}: account {pods.Spec.ServiceAccountName}, token {pods.Spec.AutomountServiceAccountToken}, links {pods.Spec.EnableServiceLinks}, grace {pods.Spec.TerminationGracePeriodSeconds} s",
        $"{pods.Owner}: {Json(pods.Spec.SecurityContext)}",
        .. (pods.Spec.TopologySpreadConstraints ?? []).Select(s => $"{pods.Owner}: {s.TopologyKey} {s.MaxSkew} {s.WhenUnsatisfiable} {string.Join(' ', s.MatchLabelKeys)} {Selector(s.LabelSelector)}"),
        .. (pods.Spec.Volumes ?? []).Select(v => $"{pods.Owner}: volume {Json(v)}"),
        .. pods.AllContainers.SelectMany(c => OfContainer($"{pods.Owner} {c.Name}", c, objects)),
    ];

    private static IEnumerable<string> OfContainer(string name, V1Container container, List<IKubernetesObject<V1ObjectMeta>> objects) =>
    [
        $"{name}: {container.Image.Split('/')[^1].Split(':', '@')[0]}, restart {container.RestartPolicy}, {Json(container.SecurityContext)}",
        $"{name}: {Json(container.Resources)}",
        $"{name}: ends by {Json(container.Lifecycle)}",
        .. (container.Ports ?? []).Select(p => $"{name}: port {p.Name} {p.ContainerPort} {p.Protocol ?? "TCP"}"),
        .. (container.VolumeMounts ?? []).Select(m => $"{name}: mounts {Json(m)}"),
        .. new[] { ("startup", container.StartupProbe), ("liveness", container.LivenessProbe), ("readiness", container.ReadinessProbe) }.Select(p => $"{name}: {p.Item1} {Probe(p.Item2)}"),
        .. Environment(container, objects).Select(v => $"{name}: {v}"),
    ];

    private static string Probe(V1Probe probe) =>
        $"{probe.HttpGet?.Path} {probe.HttpGet?.Port.Value} {string.Join(' ', probe.Exec?.Command ?? [])} every {probe.PeriodSeconds} s, {probe.TimeoutSeconds} s, {probe.FailureThreshold} times";

    private static IEnumerable<string> Environment(V1Container container, List<IKubernetesObject<V1ObjectMeta>> objects) =>
        (container.EnvFrom ?? []).SelectMany(source => source.ConfigMapRef is { } map
            ? objects.OfType<V1ConfigMap>().Single(m => m.Name() == map.Name).Data?.Select(v => $"{v.Key}={v.Value}") ?? []
            : objects.OfType<V1Secret>().SingleOrDefault(s => s.Name() == source.SecretRef.Name) is { } secret
                ? (secret.Data?.Keys ?? secret.StringData?.Keys ?? []).Select(key => $"{key} is secret")
                : [$"all of Secret {source.SecretRef.Name}"])
        .Concat((container.Env ?? []).Select(v => v switch
        {
            { ValueFrom.SecretKeyRef: not null } => $"{v.Name} is secret",
            { ValueFrom.ConfigMapKeyRef: { } key } => objects.OfType<V1ConfigMap>().Single(m => m.Name() == key.Name).Data?.TryGetValue(key.Key, out var value) == true ? $"{v.Name}={value}" : null,
            _ => $"{v.Name}={v.Value}",
        })).OfType<string>();

    private static string Ports(IList<V1NetworkPolicyPort>? ports) => string.Join(' ', (ports ?? []).Select(p => $"{p.Port.Value}/{p.Protocol ?? "TCP"}").Order());

    private static string Peers(IList<V1NetworkPolicyPeer>? peers) => peers is null ? "anybody"
        : string.Join(", ", peers.Select(p => $"{p.IpBlock?.Cidr}{(p.NamespaceSelector is null ? "" : $"namespace {Selector(p.NamespaceSelector)} ")}{(p.PodSelector is null ? "" : $"pods {Selector(p.PodSelector)}")}").Order());

    /// <summary>One way of writing it: a label that is one of one value is that label.</summary>
    private static string Selector(V1LabelSelector selector) => string.Join(' ', (selector.MatchLabels ?? new Dictionary<string, string>()).Where(l => !ReleaseLabels.Contains(l.Key)).Select(l => $"{l.Key}={l.Value}")
        .Concat((selector.MatchExpressions ?? []).Select(e => $"{e.Key}={string.Join('|', e.Values.Order())}")).Order());

    private static string Json(object? value) => value is null ? "nothing" : KubernetesJson.Serialize(value);
}
