using System.Globalization;
using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>The edge in front of the instances, and the same program as a sidecar in an instance's pod.</summary>
internal static class EdgePods
{
    public const int HttpPort = 8080, HttpsPort = 8443, HealthPort = 8002;

    private const string Name = "edge";
    private const string CertificateFolder = "/etc/edge/tls";

    public static void Configure(KubernetesResource edge, ShapeOptions shape)
    {
        edge.NameAll(Name);
        var pod = edge.Workload!.PodTemplate.Spec.Restrict(Name, Pods.User);
        // The edge watches EndpointSlices.
        pod.AutomountServiceAccountToken = true;

        var container = edge.Container().Restrict().NamePod().WithProbes(HealthPort, "/ready");
        container.Image = Pods.Image(Name);
        edge.Replicate(Name, shape.Autoscaling);
        edge.Settings(Name);
        Discovery(edge);

        // The kubelet and metrics collectors dial the pods, so the Service does not need the health port.
        edge.Service!.Spec.Ports.RemoveAll(port => port.Name == "health");
        (edge.Service.Spec.Ports.Single().Port, edge.Service.Spec.Ports.Single().TargetPort) = (80, HttpPort);
        edge.Service.Spec.Type = "{{ .Values.edge.service.type }}";
        if (shape.Tls)
        {
            ServeTls(edge);
        }

        if (shape.Gateway is not null)
        {
            EdgeGateway.AddTo(edge, shape.Gateway, shape.CertificateMap);
        }

        if (shape.Telemetry is not null)
        {
            edge.ConfigMap!.Data["OTEL_EXPORTER_OTLP_ENDPOINT"] = shape.Telemetry;
        }

        edge.Add(Name, new PodMonitoring { Spec = new(edge.Selector(), [new("health", "/stats/prometheus", "30s")]) });
        TestPod.AddTo(edge);
        NetworkPolicies.AddCommon(edge, shape);
        edge.Add(Name, NetworkPolicies.Edge(edge, shape));
    }

    /// <summary>A native sidecar: an init container that keeps running. The kubelet starts it before the instance and stops it afterwards.</summary>
    public static ContainerV1 Sidecar(string? telemetry)
    {
        var sidecar = new ContainerV1
        {
            Name = "sidecar",
            Image = Pods.Image(Name),
            ImagePullPolicy = "{{ .Values.image.pullPolicy }}",
            RestartPolicy = "Always",
            Ports =
            {
                new() { Name = "http", ContainerPort = HttpPort, Protocol = "TCP" },
                new() { Name = "health", ContainerPort = HealthPort, Protocol = "TCP" },
            },
            Env = { new() { Name = "Edge__Mode", Value = "Sidecar" } },
        };

        // The edge's pods may have any private address. Trusting them all is safe because the NetworkPolicy admits only the edge.
        string[] networks = ["10.0.0.0/8", "100.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8"];
        for (var i = 0; i < networks.Length; i++)
        {
            sidecar.Env.Add(new() { Name = string.Create(CultureInfo.InvariantCulture, $"Edge__TrustedProxies__{i}"), Value = networks[i] });
        }

        if (telemetry is not null)
        {
            sidecar.Env.Add(new() { Name = "OTEL_DOTNET_EXPERIMENTAL_OTLP_RETRY", Value = "in_memory" });
            sidecar.Env.Add(new() { Name = "OTEL_EXPORTER_OTLP_ENDPOINT", Value = telemetry });
        }

        return sidecar.Restrict().NamePod().WithProbes(HealthPort, "/ready");
    }

    private static void Discovery(KubernetesResource edge)
    {
        edge.Add(Name, new ServiceAccount());
        edge.Add(Name, new Role { Rules = { new() { ApiGroups = { "discovery.k8s.io" }, Resources = { "endpointslices" }, Verbs = { "get", "list", "watch" } } } });
        edge.Add(Name, new RoleBinding
        {
            RoleRef = new() { ApiGroup = "rbac.authorization.k8s.io", Kind = "Role", Name = Name },
            Subjects = { new() { Kind = "ServiceAccount", Name = Name, Namespace = "{{ .Release.Namespace }}" } },
        });
    }

    private static void ServeTls(KubernetesResource edge)
    {
        var settings = edge.ConfigMap!.Data;
        settings["Kestrel__Endpoints__Https__Url"] = string.Create(CultureInfo.InvariantCulture, $"https://*:{HttpsPort}");
        settings["Kestrel__Endpoints__Https__Protocols"] = "Http1AndHttp2";
        settings["Kestrel__Endpoints__Https__Certificate__Path"] = $"{CertificateFolder}/tls.crt";
        settings["Kestrel__Endpoints__Https__Certificate__KeyPath"] = $"{CertificateFolder}/tls.key";

        edge.Workload!.PodTemplate.Spec.Volumes.Add(new() { Name = "tls", Secret = new() { SecretName = "{{ .Values.tls.secretName }}" } });
        var container = edge.Container();
        container.VolumeMounts.Add(new() { Name = "tls", MountPath = CertificateFolder, ReadOnly = true });
        container.Ports.Add(new() { Name = "https", ContainerPort = HttpsPort, Protocol = "TCP" });
        edge.Service!.Spec.Ports.Add(new() { Name = "https", Port = 443, TargetPort = HttpsPort, Protocol = "TCP" });
    }
}
