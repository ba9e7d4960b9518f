using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>
/// Clients may reach the edge, the edge the instances, and the instances the database. The only other rules are for DNS, the API server, health checks
/// and telemetry. The kubelet needs no rule, because a node always reaches its own pods.
/// </summary>
internal static class NetworkPolicies
{
    /// <summary>The addresses of Google's load balancers and health checks: https://docs.cloud.google.com/load-balancing/docs/health-check-concepts#ip-ranges</summary>
    public static readonly string[] GoogleFrontEnds = ["35.191.0.0/16", "130.211.0.0/22"];

    private const string Component = "app.kubernetes.io/component";

    /// <summary>Adds the policies that select pods of several resources. The chart keeps them in this resource's folder.</summary>
    public static void AddCommon(KubernetesResource resource, ShapeOptions shape)
    {
        resource.Add("default-deny", Policy(Everyone(resource), "system"));
        resource.Add("dns", Dns(resource));
        if (shape.Telemetry is not null)
        {
            resource.Add("telemetry", ToCollectors(resource));
        }
    }

    public static NetworkPolicy Edge(KubernetesResource edge, ShapeOptions shape)
    {
        var policy = Policy(edge.Selector());
        policy.Spec.Ingress.Add(new(shape.Tls ? [new(EdgePods.HttpPort), new(EdgePods.HttpsPort)] : [new(EdgePods.HttpPort)]));
        policy.Spec.Ingress.Add(new([new(EdgePods.HealthPort)], [new(NamespaceSelector: AnyOf("kubernetes.io/metadata.name", "gmp-system", "gke-gmp-system"))]));
        if (shape.Gateway is not null)
        {
            policy.Spec.Ingress.Add(new([new(EdgePods.HealthPort)], [.. GoogleFrontEnds.Select(network => new PolicyPeer(IpBlock: new(network)))]));
        }

        policy.Spec.Egress.Add(new([new(EdgePods.HttpPort)], [new(Other(edge, "usersvc"))]));
        // usersvc.apiServer in _helpers.tpl adds the API server's addresses.
        policy.Spec.Egress.Add(new([new(443), new(6443)]));
        return policy;
    }

    public static NetworkPolicy Usersvc(KubernetesResource usersvc, ShapeOptions shape)
    {
        var policy = Policy(usersvc.Selector());
        policy.Spec.Ingress.Add(new([new(8080)], [new(Other(usersvc, "edge"))]));
        policy.Spec.Egress.Add(shape.ExternalDatabase is null
            ? new([new(PostgresPods.Port)], [new(Other(usersvc, "postgres"))])
            : new([new(new Int32OrStringV1("{{ .Values.database.port }}"))], [new(IpBlock: new("{{ .Values.database.cidr }}"))]));
        return policy;
    }

    public static NetworkPolicy Postgres(KubernetesResource postgres)
    {
        var policy = Policy(postgres.Selector());
        policy.Spec.Ingress.Add(new([new(PostgresPods.Port)], [new(Other(postgres, "usersvc"))]));
        return policy;
    }

    private static NetworkPolicy Dns(KubernetesResource resource)
    {
        var policy = Policy(Everyone(resource), "system");
        policy.Spec.PolicyTypes.Remove("Ingress");
        policy.Spec.Egress.Add(new(
            [new(53, "UDP"), new(53)],
            [
                new(AnyOf("k8s-app", "kube-dns", "node-local-dns"), AnyOf("kubernetes.io/metadata.name", "kube-system")),
                // GKE's NodeLocal DNSCache and Cloud DNS.
                new(IpBlock: new("169.254.20.10/32")),
                new(IpBlock: new("169.254.169.254/32")),
            ]));
        return policy;
    }

    private static NetworkPolicy ToCollectors(KubernetesResource resource)
    {
        var policy = Policy(Everyone(resource), "system");
        policy.Spec.PodSelector.MatchExpressions = AnyOf(Component, "usersvc", "edge").MatchExpressions;
        policy.Spec.PolicyTypes.Remove("Ingress");
        policy.Spec.Egress.Add(new([new(4317), new(4318)]));
        return policy;
    }

    private static NetworkPolicy Policy(LabelSelectorV1 pods, string? component = null)
    {
        var policy = new NetworkPolicy { Spec = { PodSelector = pods } };
        if (component is not null)
        {
            policy.Metadata.Labels[Component] = component;
        }

        return policy;
    }

    private static LabelSelectorV1 Everyone(KubernetesResource resource) => new(Labels(resource, null));

    private static LabelSelectorV1 Other(KubernetesResource resource, string component) => new(Labels(resource, component));

    private static Dictionary<string, string> Labels(KubernetesResource resource, string? component)
    {
        var labels = new Dictionary<string, string>(resource.Selector().MatchLabels);
        labels.Remove(Component);
        if (component is not null)
        {
            labels[Component] = component;
        }

        return labels;
    }

    private static LabelSelectorV1 AnyOf(string key, params string[] values)
    {
        var requirement = new LabelSelectorRequirementV1 { Key = key, Operator = "In" };
        requirement.Values.AddRange(values);
        return new() { MatchExpressions = [requirement] };
    }
}
