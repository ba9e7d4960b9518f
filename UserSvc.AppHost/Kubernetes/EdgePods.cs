using System.Globalization;
using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>The edge as the cluster's door, and as the proxy in an instance's pod.</summary>
internal static class EdgePods
{
    public const int HttpPort = 8080, HttpsPort = 8443, HealthPort = 8002;

    private const string Name = "edge";
    private const string CertificateFolder = "/etc/edge/tls";

    private static readonly string Tls = Helm.Path(values => values.Edge.Tls.SecretName);
    private static readonly string Gateway = Helm.Path(values => values.Gateway.Enabled);

    public static void Configure(KubernetesResource edge)
    {
        edge.NameAll(Name);
        var pod = edge.Workload!.PodTemplate.Spec.Restrict(Name, Images.User);
        // It watches EndpointSlices.
        pod.AutomountServiceAccountToken = true;
        pod.TerminationGracePeriodSeconds = 45;

        var container = edge.Container().Restrict();
        container.Image = Images.Of(Name, values => values.Edge.Digest);
        container.Ports.Add(new() { Name = "https".If(Tls), ContainerPort = HttpsPort, Protocol = "TCP" });
        // A load balancer takes longer than the instances' edge to learn that a pod leaves.
        container.Lifecycle = Pods.Sleep(10);
        container.WithProbes(HealthPort, "/ready");
        container.Resources = Pods.Resources(values => values.Edge.Resources);
        edge.Replicate(Name, values => values.Edge.Replicas, values => values.Edge.Autoscaling);
        Discovery(edge);
        Configuration(edge.ConfigMap!.Data);
        edge.UpdateWith("config");
        edge.Settings(Name, values => values.Edge.Settings);
        Certificate(pod, container);
        Service(edge.Service!);
        EdgeGateway.AddTo(edge);
        edge.Add(Name, new PodMonitoring { Spec = new(edge.Selector(), [new("health", "/stats/prometheus", "30s")]) }
            .When(Helm.Path(values => values.Telemetry.PodMonitoring)));
        NetworkPolicies.AddCommon(edge);
        edge.Add(Name, NetworkPolicies.Edge(edge));
    }

    /// <summary>Native: an init container that goes on, started before the instance and stopped after it.</summary>
    public static ContainerV1 Sidecar(string name)
    {
        var sidecar = new ContainerV1
        {
            Name = name,
            Image = Images.Of(Name, values => values.Edge.Digest),
            ImagePullPolicy = Helm.Value(values => values.Image.PullPolicy),
            RestartPolicy = "Always",
            Ports =
            {
                new() { Name = "http", ContainerPort = HttpPort, Protocol = "TCP" },
                new() { Name = "health", ContainerPort = HealthPort, Protocol = "TCP" },
            },
            Env = { new() { Name = "Edge__Mode", Value = "Sidecar" } },
            Resources = Pods.Resources("100m", "192Mi", "192Mi"),
        };

        // The edge's pods, whose addresses are not known beforehand: the private networks, of which the NetworkPolicy lets in the edge alone.
        string[] networks = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8"];
        for (var i = 0; i < networks.Length; i++)
        {
            sidecar.Env.Add(new() { Name = string.Create(CultureInfo.InvariantCulture, $"Edge__TrustedProxies__{i}"), Value = networks[i] });
        }

        sidecar.Env.Add(new() { Name = "OTEL_DOTNET_EXPERIMENTAL_OTLP_RETRY", Value = "in_memory" });
        sidecar.Env.Add(new() { Name = "OTEL_EXPORTER_OTLP_ENDPOINT".If(Telemetry.Enabled), Value = Helm.Quoted(values => values.Telemetry.OtlpEndpoint) });
        sidecar.WithProbes(HealthPort, "/ready");
        return sidecar.Restrict();
    }

    private static void Discovery(KubernetesResource edge)
    {
        edge.Add(Name, Pods.Account(Helm.Path(values => values.Edge.GcpServiceAccount)));
        edge.Add(Name, new Role { Rules = { new() { ApiGroups = { "discovery.k8s.io" }, Resources = { "endpointslices" }, Verbs = { "get", "list", "watch" } } } });
        edge.Add(Name, new RoleBinding
        {
            RoleRef = new() { ApiGroup = "rbac.authorization.k8s.io", Kind = "Role", Name = Name },
            Subjects = { new() { Kind = "ServiceAccount", Name = Name, Namespace = "{{ .Release.Namespace }}" } },
        });
    }

    private static void Configuration(Dictionary<string, string> settings)
    {
        settings["Kestrel__Endpoints__Https__Url"] = string.Create(CultureInfo.InvariantCulture, $"https://*:{HttpsPort}").If(Tls);
        settings["Kestrel__Endpoints__Https__Protocols"] = "Http1AndHttp2".If(Tls);
        settings["Kestrel__Endpoints__Https__Certificate__Path"] = $"{CertificateFolder}/tls.crt".If(Tls);
        settings["Kestrel__Endpoints__Https__Certificate__KeyPath"] = $"{CertificateFolder}/tls.key".If(Tls);
        // The gateway's proxies say who the client is.
        settings["Edge__TrustedProxies__0"] = NetworkPolicies.GoogleFrontEnds[0].If(Gateway);
        settings["Edge__TrustedProxies__1"] = NetworkPolicies.GoogleFrontEnds[1].If(Gateway);
        Telemetry.Add(settings);
    }

    private static void Certificate(PodSpecV1 pod, ContainerV1 container)
    {
        pod.Volumes.Add(new() { Name = "tls".If(Tls), Secret = new() { SecretName = Helm.Value(values => values.Edge.Tls.SecretName) } });
        container.VolumeMounts.Add(new() { Name = "tls".If(Tls), MountPath = CertificateFolder, ReadOnly = true });
    }

    private static void Service(Service service)
    {
        service.Spec.Type = $"{{{{ if {Gateway} }}}}ClusterIP{{{{ else }}}}{Helm.Value(values => values.Edge.Service.Type)}{{{{ end }}}}";
        service.Metadata.Annotations["{{ $name }}"] = "{{ $value | quote }}".ForEach(values => values.Edge.Service.Annotations);
        // The kubelet and collectors ask the pod's health port; nobody else has to.
        service.Spec.Ports.RemoveAll(port => port.Name == "health");
        (service.Spec.Ports.Single().Port, service.Spec.Ports.Single().TargetPort) = (80, HttpPort);
        service.Spec.Ports.Add(new() { Name = "https".If(Tls), Port = 443, TargetPort = HttpsPort, Protocol = "TCP" });
    }
}
