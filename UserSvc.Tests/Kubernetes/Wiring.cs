using k8s;
using k8s.Models;

namespace UserSvc.Tests.Kubernetes;

/// <summary>What objects say of each other by name, label and port, which no API server checks when they are applied.</summary>
internal static class Wiring
{
    /// <param name="objects">All of a system's.</param>
    /// <param name="madeElsewhere">As "Secret edge-tls": what is referred to, but not part of the system.</param>
    public static List<string> Problems(IReadOnlyList<IKubernetesObject<V1ObjectMeta>> objects, params IReadOnlyList<string> madeElsewhere)
    {
        var pods = objects.Pods().ToList();
        var ids = objects.Select(o => o.Id()).Concat(madeElsewhere).ToHashSet();
        return
        [
            .. objects.CountBy(o => o.Id()).Where(o => o.Value > 1).Select(o => $"{o.Key}: there twice"),
            .. objects.SelectMany(o => Selection(o, pods)),
            .. pods.SelectMany(PortsOf),
            .. objects.SelectMany(References).Concat(pods.SelectMany(References)).Where(r => !ids.Contains(r.Target)).Select(r => $"{r.Source}: no {r.Target}"),
            .. objects.OfType<V2HorizontalPodAutoscaler>().SelectMany(h => Replicas(h, objects)),
            .. objects.OfType<HttpRoute>().SelectMany(r => Listeners(r, objects)),
        ];
    }

    public static bool Selects(this V1LabelSelector selector, Pods pods) =>
        Selects(selector.MatchLabels, pods) && (selector.MatchExpressions ?? []).All(e => e.OperatorProperty switch
        {
            "In" => pods.Labels.TryGetValue(e.Key, out var value) && e.Values.Contains(value),
            "NotIn" => !pods.Labels.TryGetValue(e.Key, out var value) || !e.Values.Contains(value),
            "Exists" => pods.Labels.ContainsKey(e.Key),
            _ => !pods.Labels.ContainsKey(e.Key),
        });

    public static bool Selects(IDictionary<string, string>? labels, Pods pods) => (labels ?? new Dictionary<string, string>()).All(pods.Labels.Contains);

    private static IEnumerable<string> Selection(IKubernetesObject<V1ObjectMeta> item, List<Pods> pods)
    {
        var own = pods.Where(p => p.Owner == item.Id());
        return item switch
        {
            V1Deployment deployment => Missed(deployment.Spec.Selector, own, "its own pods"),
            V1StatefulSet set => Missed(set.Spec.Selector, own, "its own pods"),
            V1DaemonSet set => Missed(set.Spec.Selector, own, "its own pods"),
            V1PodDisruptionBudget budget => Missed(budget.Spec.Selector, pods, "any pods"),
            PodMonitoring monitoring => Missed(monitoring.Spec.Selector, pods, "any pods").Concat(
                from pod in pods.Where(monitoring.Spec.Selector.Selects)
                from endpoint in monitoring.Spec.Endpoints
                where !pod.Declare(endpoint.Port)
                select $"{item.Id()}: port {endpoint.Port.Value} is none of {pod.Owner}"),
            V1Service service => Missed(new V1LabelSelector { MatchLabels = service.Spec.Selector }, pods, "any pods").Concat(
                from pod in pods.Where(p => Selects(service.Spec.Selector, p))
                from port in service.Spec.Ports
                where !pod.Declare(port.TargetPort ?? port.Port, port.Protocol ?? "TCP")
                select $"{item.Id()}: target port {(port.TargetPort ?? port.Port).Value} is none of {pod.Owner}"),
            _ => [],
        };

        IEnumerable<string> Missed(V1LabelSelector selector, IEnumerable<Pods> of, string what) =>
            of.Any(selector.Selects) ? [] : [$"{item.Id()}: does not select {what}"];
    }

    private static IEnumerable<string> PortsOf(Pods pods)
    {
        var probes = pods.Containers.SelectMany(container => new[] { container.StartupProbe, container.LivenessProbe, container.ReadinessProbe });
        var mounts = pods.AllContainers.SelectMany(container => container.VolumeMounts ?? []).Select(mount => mount.Name);
        return
        [
            .. probes.Select(probe => probe?.HttpGet?.Port ?? probe?.TcpSocket?.Port).OfType<IntOrString>().Where(port => !pods.Declare(port))
                .Select(port => $"{pods.Owner}: probes port {port.Value}, which it has not"),
            .. pods.Ports.CountBy(p => (p.ContainerPort, p.Protocol)).Where(p => p.Value > 1).Select(p => $"{pods.Owner}: port {p.Key.ContainerPort} twice"),
            .. mounts.Distinct().Except((pods.Spec.Volumes ?? []).Select(v => v.Name)).Where(name => !pods.ClaimNames.Contains(name))
                .Select(name => $"{pods.Owner}: no volume {name}"),
            .. (pods.Spec.TopologySpreadConstraints ?? []).Where(s => !s.LabelSelector.Selects(pods))
                .Select(s => $"{pods.Owner}: its spread over {s.TopologyKey} does not select its own pods"),
        ];
    }

    private static IEnumerable<(string Source, string Target)> References(IKubernetesObject<V1ObjectMeta> item)
    {
        IEnumerable<string> targets = item switch
        {
            V1StatefulSet set => [$"Service {set.Spec.ServiceName}"],
            V1RoleBinding binding => [$"{binding.RoleRef.Kind} {binding.RoleRef.Name}", .. binding.Subjects.Select(s => $"{s.Kind} {s.Name}")],
            V2HorizontalPodAutoscaler autoscaler => [$"{autoscaler.Spec.ScaleTargetRef.Kind} {autoscaler.Spec.ScaleTargetRef.Name}"],
            HealthCheckPolicy policy => [$"{policy.Spec.TargetRef.Kind} {policy.Spec.TargetRef.Name}"],
            Gateway gateway => gateway.Spec.Listeners.SelectMany(l => l.Tls?.CertificateRefs ?? []).Select(c => $"{c.Kind ?? "Secret"} {c.Name}"),
            _ => [],
        };
        return targets.Select(target => (item.Id(), target));
    }

    private static IEnumerable<(string Source, string Target)> References(Pods pods)
    {
        var from = pods.AllContainers.SelectMany(c => c.EnvFrom ?? []).ToList();
        var keys = pods.AllContainers.SelectMany(c => c.Env ?? []).Select(e => e.ValueFrom).ToList();
        var volumes = pods.Spec.Volumes ?? [];
        return from
            .Select(e => e.ConfigMapRef?.Name).Concat(keys.Select(k => k?.ConfigMapKeyRef?.Name)).Concat(volumes.Select(v => v.ConfigMap?.Name))
            .OfType<string>().Select(name => $"ConfigMap {name}")
            .Concat(from.Select(e => e.SecretRef?.Name).Concat(keys.Select(k => k?.SecretKeyRef?.Name)).Concat(volumes.Select(v => v.Secret?.SecretName))
                .OfType<string>().Select(name => $"Secret {name}"))
            .Append($"ServiceAccount {pods.Spec.ServiceAccountName ?? "default"}")
            .Distinct().Select(target => (pods.Owner, target));
    }

    private static IEnumerable<string> Replicas(V2HorizontalPodAutoscaler autoscaler, IReadOnlyList<IKubernetesObject<V1ObjectMeta>> objects) =>
        objects.OfType<V1Deployment>().Where(d => d.Metadata.Name == autoscaler.Spec.ScaleTargetRef.Name && d.Spec.Replicas is not null)
            .Select(d => $"{d.Id()}: its replicas would undo {autoscaler.Id()} whenever it is applied");

    private static IEnumerable<string> Listeners(HttpRoute route, IReadOnlyList<IKubernetesObject<V1ObjectMeta>> objects) =>
    [
        .. route.Spec.ParentRefs
            .Where(p => !objects.OfType<Gateway>().Any(g => g.Metadata.Name == p.Name && g.Spec.Listeners.Any(l => p.SectionName is null || l.Name == p.SectionName)))
            .Select(p => $"{route.Id()}: no listener {p.SectionName} of Gateway {p.Name}"),
        .. route.Spec.Rules.SelectMany(r => r.BackendRefs ?? [])
            .Where(b => !objects.OfType<V1Service>().Any(s => s.Metadata.Name == b.Name && s.Spec.Ports.Any(p => p.Port == b.Port)))
            .Select(b => $"{route.Id()}: no port {b.Port} of Service {b.Name}"),
    ];
}
