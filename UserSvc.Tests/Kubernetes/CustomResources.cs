using k8s;
using k8s.Models;

namespace UserSvc.Tests.Kubernetes;

/// <summary>What the Kubernetes client has no types for, with the fields that are used here: any other is an unknown one.</summary>
internal abstract class CustomResource<TSpec> : IKubernetesObject<V1ObjectMeta>
{
    public string ApiVersion { get; set; } = "";

    public string Kind { get; set; } = "";

    public V1ObjectMeta Metadata { get; set; } = new();

    public required TSpec Spec { get; set; }
}

[KubernetesEntity(Group = "gateway.networking.k8s.io", ApiVersion = "v1", Kind = "Gateway", PluralName = "gateways")]
internal sealed class Gateway : CustomResource<GatewaySpec>;

internal sealed record GatewaySpec(string GatewayClassName, IReadOnlyList<GatewayListener> Listeners, IReadOnlyList<GatewayAddress>? Addresses = null);

internal sealed record GatewayAddress(string Type, string Value);

internal sealed record GatewayListener(
    string Name, int Port, string Protocol, string? Hostname = null, ListenerTls? Tls = null, AllowedRoutes? AllowedRoutes = null);

internal sealed record ListenerTls(string? Mode = null, IReadOnlyList<ObjectReference>? CertificateRefs = null, IReadOnlyDictionary<string, string>? Options = null);

internal sealed record AllowedRoutes(RouteNamespaces Namespaces);

internal sealed record RouteNamespaces(string From);

internal sealed record ObjectReference(string Name, string? Kind = null, string? Group = null);

[KubernetesEntity(Group = "gateway.networking.k8s.io", ApiVersion = "v1", Kind = "HTTPRoute", PluralName = "httproutes")]
internal sealed class HttpRoute : CustomResource<HttpRouteSpec>;

internal sealed record HttpRouteSpec(IReadOnlyList<ParentReference> ParentRefs, IReadOnlyList<HttpRouteRule> Rules, IReadOnlyList<string>? Hostnames = null);

internal sealed record ParentReference(string Name, string? SectionName = null, string? Kind = null, string? Group = null);

internal sealed record HttpRouteRule(
    IReadOnlyList<HttpRouteMatch>? Matches = null, IReadOnlyList<HttpRouteFilter>? Filters = null, IReadOnlyList<BackendReference>? BackendRefs = null);

internal sealed record HttpRouteMatch(HttpPathMatch? Path = null);

internal sealed record HttpPathMatch(string Type, string Value);

internal sealed record HttpRouteFilter(string Type, RequestRedirect? RequestRedirect = null);

internal sealed record RequestRedirect(string? Scheme = null, int? StatusCode = null, int? Port = null);

internal sealed record BackendReference(string Name, int Port, string? Kind = null, string? Group = null);

[KubernetesEntity(Group = "networking.gke.io", ApiVersion = "v1", Kind = "HealthCheckPolicy", PluralName = "healthcheckpolicies")]
internal sealed class HealthCheckPolicy : CustomResource<HealthCheckPolicySpec>;

internal sealed record HealthCheckPolicySpec(HealthCheckDefault Default, ObjectReference TargetRef);

internal sealed record HealthCheckDefault(
    HealthCheckConfig Config, int? CheckIntervalSec = null, int? TimeoutSec = null, int? HealthyThreshold = null, int? UnhealthyThreshold = null);

internal sealed record HealthCheckConfig(string Type, HttpHealthCheck HttpHealthCheck);

internal sealed record HttpHealthCheck(string RequestPath, int? Port = null, string? PortSpecification = null);

[KubernetesEntity(Group = "monitoring.googleapis.com", ApiVersion = "v1", Kind = "PodMonitoring", PluralName = "podmonitorings")]
internal sealed class PodMonitoring : CustomResource<PodMonitoringSpec>;

internal sealed record PodMonitoringSpec(V1LabelSelector Selector, IReadOnlyList<ScrapeEndpoint> Endpoints);

internal sealed record ScrapeEndpoint(IntOrString Port, string Interval, string? Path = null, string? Timeout = null);
