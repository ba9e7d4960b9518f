using Aspire.Hosting.Kubernetes.Resources;
using YamlDotNet.Serialization;

namespace UserSvc.AppHost.Kubernetes;

// Kinds that Aspire has no type for, or whose type lacks fields or writes empty ones that the API server rejects.

/// <summary>https://kubernetes.io/docs/concepts/services-networking/network-policies/</summary>
internal sealed class NetworkPolicy() : BaseKubernetesResource("networking.k8s.io/v1", "NetworkPolicy")
{
    [YamlMember(Alias = "spec")]
    public NetworkPolicySpec Spec { get; } = new();
}

internal sealed class NetworkPolicySpec
{
    public LabelSelectorV1 PodSelector { get; set; } = new();

    public List<string> PolicyTypes { get; } = ["Ingress", "Egress"];

    public List<IngressRule> Ingress { get; } = [];

    public List<EgressRule> Egress { get; } = [];
}

/// <summary>Allows all sources when <paramref name="From"/> is null.</summary>
internal sealed record IngressRule(List<PolicyPort> Ports, List<PolicyPeer>? From = null);

/// <summary>Allows all destinations when <paramref name="To"/> is null.</summary>
internal sealed record EgressRule(List<PolicyPort> Ports, List<PolicyPeer>? To = null);

// Not a record: YamlDotNet would write equal instances once and refer to them by alias.
internal sealed class PolicyPort(Int32OrStringV1 port, string protocol = "TCP")
{
    public Int32OrStringV1 Port { get; } = port;

    public string Protocol { get; } = protocol;
}

internal sealed record PolicyPeer(LabelSelectorV1? PodSelector = null, LabelSelectorV1? NamespaceSelector = null, IpBlock? IpBlock = null);

internal sealed record IpBlock(string Cidr);

/// <summary>https://kubernetes.io/docs/tasks/run-application/configure-pdb/</summary>
internal sealed class PodDisruptionBudget() : BaseKubernetesResource("policy/v1", "PodDisruptionBudget")
{
    [YamlMember(Alias = "spec")]
    public required PodDisruptionBudgetSpec Spec { get; init; }
}

internal sealed record PodDisruptionBudgetSpec(int MaxUnavailable, LabelSelectorV1 Selector)
{
    /// <summary>A pod that is not ready serves no requests, so it must not block the drain of its node.</summary>
    public string UnhealthyPodEvictionPolicy { get; } = "AlwaysAllow";
}

/// <summary>https://kubernetes.io/docs/concepts/workloads/autoscaling/horizontal-pod-autoscale/</summary>
internal sealed class HorizontalPodAutoscaler() : BaseKubernetesResource("autoscaling/v2", "HorizontalPodAutoscaler")
{
    [YamlMember(Alias = "spec")]
    public required HorizontalPodAutoscalerSpec Spec { get; init; }
}

internal sealed record HorizontalPodAutoscalerSpec(ScaleTarget ScaleTargetRef, string MinReplicas, string MaxReplicas, List<ScaleMetric> Metrics);

internal sealed record ScaleTarget(string ApiVersion, string Kind, string Name);

internal sealed record ScaleMetric(string Type, ResourceMetric Resource);

internal sealed record ResourceMetric(string Name, ResourceTarget Target);

internal sealed record ResourceTarget(string Type, string AverageUtilization);

/// <summary>https://gateway-api.sigs.k8s.io/reference/spec/#httproute</summary>
internal sealed class HttpRoute() : BaseKubernetesResource("gateway.networking.k8s.io/v1", "HTTPRoute")
{
    [YamlMember(Alias = "spec")]
    public required HttpRouteSpec Spec { get; init; }
}

internal sealed record HttpRouteSpec(List<RouteParent> ParentRefs, List<string>? Hostnames, List<RouteRule> Rules);

internal sealed record RouteParent(string Name, string SectionName);

internal sealed record RouteRule(List<RouteBackend>? BackendRefs = null, List<RouteFilter>? Filters = null);

internal sealed record RouteBackend(string Name, int Port);

internal sealed record RouteFilter(string Type, RequestRedirect RequestRedirect);

internal sealed record RequestRedirect(string Scheme, int StatusCode);

/// <summary>https://docs.cloud.google.com/kubernetes-engine/docs/how-to/configure-gateway-resources#configure_health_check</summary>
internal sealed class HealthCheckPolicy() : BaseKubernetesResource("networking.gke.io/v1", "HealthCheckPolicy")
{
    [YamlMember(Alias = "spec")]
    public required HealthCheckPolicySpec Spec { get; init; }
}

internal sealed record HealthCheckPolicySpec(HealthCheckDefault Default, PolicyTarget TargetRef);

internal sealed record HealthCheckDefault(int CheckIntervalSec, int TimeoutSec, int HealthyThreshold, int UnhealthyThreshold, HealthCheckConfig Config);

internal sealed record HealthCheckConfig(string Type, HttpHealthCheck HttpHealthCheck);

internal sealed record HttpHealthCheck(string PortSpecification, int Port, string RequestPath);

internal sealed record PolicyTarget(string Group, string Kind, string Name);

/// <summary>https://docs.cloud.google.com/stackdriver/docs/managed-prometheus/setup-managed#gmp-pod-monitoring</summary>
internal sealed class PodMonitoring() : BaseKubernetesResource("monitoring.googleapis.com/v1", "PodMonitoring")
{
    [YamlMember(Alias = "spec")]
    public required PodMonitoringSpec Spec { get; init; }
}

internal sealed record PodMonitoringSpec(LabelSelectorV1 Selector, List<ScrapeEndpoint> Endpoints);

internal sealed record ScrapeEndpoint(string Port, string Path, string Interval);

/// <summary>Aspire's type cannot set <c>automountServiceAccountToken</c>.</summary>
internal sealed class ServiceAccount() : BaseKubernetesResource("v1", "ServiceAccount")
{
    [YamlMember(Alias = "automountServiceAccountToken")]
    public bool AutomountServiceAccountToken { get; }
}
