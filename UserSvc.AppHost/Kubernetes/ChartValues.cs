using System.ComponentModel;
using System.ComponentModel.DataAnnotations;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>What whoever installs the chart may set: values.yaml and values.schema.json are written from it, and templates refer to its members.</summary>
[Description("UserSvc: a user service behind an edge proxy, with PostgreSQL.")]
internal sealed class ChartValues
{
    [Description("Where the images of usersvc and edge come from.")]
    public ImageValues Image { get; } = new();

    public UsersvcValues Usersvc { get; } = new();

    public EdgeValues Edge { get; } = new();

    public PostgresValues Postgres { get; } = new();

    [Description("A PostgreSQL of your own, used when postgres.enabled is false: Cloud SQL, AlloyDB, CloudNativePG or any other.")]
    public DatabaseValues Database { get; } = new();

    [Description("The Gateway API in place of the LoadBalancer.")]
    public GatewayValues Gateway { get; } = new();

    public TelemetryValues Telemetry { get; } = new();

    public NetworkPolicyValues NetworkPolicy { get; } = new();
}

internal sealed class ImageValues
{
    [Description("Required: the registry and path before the images' names, as europe-west1-docker.pkg.dev/PROJECT/REPO.")]
    public string Registry { get; } = "";

    [Description("Required, unless each image has a digest.")]
    public string Tag { get; } = "";

    [Description("IfNotPresent, Always or Never.")]
    [AllowedValues("IfNotPresent", "Always", "Never")]
    public string PullPolicy { get; } = "IfNotPresent";
}

internal sealed class UsersvcValues
{
    [Description("sha256:…; used instead of image.tag.")]
    public string Digest { get; } = "";

    [Range(0, 1000)]
    [Description("Instances, unless autoscaling is on.")]
    public int Replicas { get; } = 3;

    [Description("By CPU. Off, as its floor would undo kubectl scale.")]
    public AutoscalingValues Autoscaling { get; } = new(3, 10);

    [Description("A proxy in each pod before its instance, which then listens on loopback alone. Needs Kubernetes 1.29 (native sidecars).")]
    public SwitchValues Sidecar { get; } = new();

    [Description("The administrator's key, 16 characters or more. Required, unless secretName is set.")]
    public string AdminKey { get; } = "";

    [Description("A Secret of your own with the key Admin__Key, used instead of adminKey.")]
    public string SecretName { get; } = "";

    [Description("Further settings of the service, as Lookup__QueueLimit: \"8192\"; see docs/api.md.")]
    public Dictionary<string, string> Settings { get; } = [];

    [Description("For Workload Identity: the Google service account that the pods act as, an e-mail address.")]
    public string GcpServiceAccount { get; } = "";

    [Description("The memory covers two password hashes of 19 MiB at a time. No CPU limit: being throttled is what makes a tail.")]
    public ResourceValues Resources { get; } = new(new("250m", "384Mi"), new("384Mi"));
}

internal sealed class EdgeValues
{
    [Description("sha256:…; used instead of image.tag.")]
    public string Digest { get; } = "";

    [Range(0, 1000)]
    [Description("Edges, unless autoscaling is on. Two at least, or a rolling update fails requests.")]
    public int Replicas { get; } = 2;

    [Description("By CPU.")]
    public AutoscalingValues Autoscaling { get; } = new(2, 10);

    public ServiceValues Service { get; } = new();

    public TlsValues Tls { get; } = new();

    [Description("Further settings of the edge, as Edge__Https__RedirectPort: \"443\"; see docs/edge.md.")]
    public Dictionary<string, string> Settings { get; } = [];

    [Description("For Workload Identity: the Google service account that the pods act as, an e-mail address.")]
    public string GcpServiceAccount { get; } = "";

    public ResourceValues Resources { get; } = new(new("250m", "384Mi"), new("384Mi"));
}

internal sealed class ServiceValues
{
    [Description("LoadBalancer, NodePort or ClusterIP; with the gateway always ClusterIP.")]
    [AllowedValues("LoadBalancer", "NodePort", "ClusterIP")]
    public string Type { get; } = "LoadBalancer";

    [Description("Annotations of the Service, as networking.gke.io/load-balancer-type: Internal.")]
    public Dictionary<string, string> Annotations { get; } = [];
}

internal sealed class TlsValues
{
    [Description("A Secret of type kubernetes.io/tls. With it the edge serves https too, at port 443; it reads a renewed certificate by itself.")]
    public string SecretName { get; } = "";
}

internal sealed class PostgresValues
{
    [Description("One PostgreSQL in the cluster, on a persistent disk. Off: see database.")]
    public bool Enabled { get; } = true;

    [Description("An image of your own, used instead of PostgreSQL's official one.")]
    public string Image { get; } = "";

    [Description("Its password, as the disk was made with. Required while it is enabled.")]
    public string Password { get; } = "";

    [Description("The disk's size, at the first installation.")]
    public string StorageSize { get; } = "10Gi";

    [Description("The disk's storage class, at the first installation; the cluster's default when empty.")]
    public string StorageClass { get; } = "";

    public ResourceValues Resources { get; } = new(new("250m", "512Mi"), new("1Gi"));
}

internal sealed class DatabaseValues
{
    [Description("A Secret with the connection string. Required when postgres.enabled is false. Several hosts are tried in turn: Host=a,b;Target Session Attributes=primary;…")]
    public string SecretName { get; } = "";

    [Description("The key of the connection string in it.")]
    public string SecretKey { get; } = "ConnectionStrings__users";

    [Description("Where it is, for the NetworkPolicy.")]
    public string Cidr { get; } = "0.0.0.0/0";

    [Range(1, 65535)]
    public int Port { get; } = 5432;
}

internal sealed class GatewayValues
{
    public bool Enabled { get; }

    [Description("The cluster's gateway class.")]
    public string ClassName { get; } = "gke-l7-global-external-managed";

    [Description("The host name that it serves. Required while it is enabled.")]
    public string Hostname { get; } = "";

    [Description("A Secret of type kubernetes.io/tls with the host's certificate.")]
    public string TlsSecretName { get; } = "";

    [Description("A certificate map of Google's Certificate Manager, in place of a Secret.")]
    public string CertificateMap { get; } = "";

    [Description("GKE's HealthCheckPolicy, by which its load balancer asks /ready of the health port.")]
    public bool HealthCheckPolicy { get; } = true;
}

internal sealed class TelemetryValues
{
    [Description("Where traces, metrics and logs go, at port 4317 (gRPC), as http://collector.observability:4317; none when empty.")]
    public string OtlpEndpoint { get; } = "";

    [Description("A PodMonitoring for Google's managed Prometheus: the edge's /stats/prometheus.")]
    public bool PodMonitoring { get; }
}

internal sealed class NetworkPolicyValues
{
    [Description("The Kubernetes API server, which the edge watches: the cluster's control plane, at ports 443 and 6443.")]
    public string ApiServerCidr { get; } = "0.0.0.0/0";
}

internal sealed class SwitchValues
{
    public bool Enabled { get; }
}

internal sealed class AutoscalingValues(int minReplicas, int maxReplicas)
{
    public bool Enabled { get; }

    [Range(1, 1000)]
    public int MinReplicas { get; } = minReplicas;

    [Range(1, 1000)]
    public int MaxReplicas { get; } = maxReplicas;

    [Range(1, 100)]
    [Description("Of the requested CPU, on average.")]
    public int CpuPercent { get; } = 70;
}

internal sealed class ResourceValues(RequestValues requests, LimitValues limits)
{
    public RequestValues Requests { get; } = requests;

    public LimitValues Limits { get; } = limits;
}

internal sealed class RequestValues(string cpu, string memory)
{
    public string Cpu { get; } = cpu;

    public string Memory { get; } = memory;
}

internal sealed class LimitValues(string memory)
{
    public string Memory { get; } = memory;
}
