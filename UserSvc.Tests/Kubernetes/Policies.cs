using k8s;
using k8s.Models;

namespace UserSvc.Tests.Kubernetes;

/// <summary>NetworkPolicies beside the pods they are about.</summary>
internal static class Policies
{
    public static List<string> Problems(IReadOnlyList<IKubernetesObject<V1ObjectMeta>> objects)
    {
        var pods = objects.Pods().ToList();
        var policies = objects.OfType<V1NetworkPolicy>().ToList();
        return
        [
            .. policies.Where(policy => !pods.Any(policy.Spec.PodSelector.Selects)).Select(policy => $"{policy.Id()}: selects no pods"),
            .. policies.SelectMany(policy => Peers(policy).Where(p => !pods.Any(p.Selects)).Select(_ => $"{policy.Id()}: a peer selects no pods")),
            .. policies.SelectMany(policy => Opened(policy, pods)),
            .. pods.Where(pod => !policies.Any(policy => Denies(policy) && policy.Spec.PodSelector.Selects(pod))).Select(pod => $"{pod.Owner}: not denied by default"),
            .. objects.OfType<V1Service>().SelectMany(service => Shut(service, pods, policies)),
        ];
    }

    /// <summary>What lets anybody reach a port of the pods.</summary>
    public static IEnumerable<V1NetworkPolicyIngressRule> RulesInto(this IEnumerable<V1NetworkPolicy> policies, Pods pods, V1ContainerPort port) =>
        policies.Where(p => p.Spec.PodSelector.Selects(pods)).SelectMany(p => p.Spec.Ingress ?? [])
            .Where(rule => rule.Ports is null or [] || rule.Ports.Any(p => IsPort(p, port)));

    private static bool Denies(V1NetworkPolicy policy) =>
        policy.Spec.PolicyTypes?.Order().SequenceEqual(["Egress", "Ingress"]) == true && policy.Spec is { Ingress: null or [], Egress: null or [] };

    private static IEnumerable<V1LabelSelector> Peers(V1NetworkPolicy policy) =>
        (policy.Spec.Ingress ?? []).SelectMany(rule => rule.FromProperty ?? []).Concat((policy.Spec.Egress ?? []).SelectMany(rule => rule.To ?? []))
            .Where(peer => peer.NamespaceSelector is null).Select(peer => peer.PodSelector).OfType<V1LabelSelector>();

    private static IEnumerable<string> Opened(V1NetworkPolicy policy, List<Pods> pods)
    {
        var into = from rule in policy.Spec.Ingress ?? []
                   from port in rule.Ports ?? []
                   from pod in pods.Where(policy.Spec.PodSelector.Selects)
                   where !pod.Declare(port.Port, port.Protocol ?? "TCP")
                   select $"{policy.Id()}: opens port {port.Port.Value}, which {pod.Owner} has not";
        var outOf = from rule in policy.Spec.Egress ?? []
                    from peer in rule.To ?? []
                    where peer is { PodSelector: not null, NamespaceSelector: null }
                    from port in rule.Ports ?? []
                    from pod in pods.Where(peer.PodSelector.Selects)
                    where !pod.Declare(port.Port, port.Protocol ?? "TCP")
                    select $"{policy.Id()}: leads to port {port.Port.Value}, which {pod.Owner} has not";
        return into.Concat(outOf);
    }

    private static IEnumerable<string> Shut(V1Service service, List<Pods> pods, List<V1NetworkPolicy> policies) =>
        from pod in pods.Where(p => Wiring.Selects(service.Spec.Selector, p))
        from target in service.Spec.Ports
        from port in pod.Ports.Where(p => p.Name == (target.TargetPort ?? target.Port).Value || $"{p.ContainerPort}" == (target.TargetPort ?? target.Port).Value)
        where !policies.RulesInto(pod, port).Any()
        select $"{service.Id()}: no policy lets anybody reach port {port.ContainerPort} of {pod.Owner}";

    private static bool IsPort(V1NetworkPolicyPort opened, V1ContainerPort port) =>
        opened.Port is null || opened.Port.Value == port.Name || opened.Port.Value == $"{port.ContainerPort}";
}
