using System.Linq.Expressions;
using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>What the pods have in common.</summary>
internal static class Pods
{
    private const string TemporaryFiles = "tmp";

    /// <summary>Adds an object of the resource's own. Its kind in its name gives its template a file of its own; the chart's objects are named without.</summary>
    public static void Add(this KubernetesResource resource, string name, BaseKubernetesResource added)
    {
        added.Metadata.Name = $"{name}-{added.Kind!.ToLowerInvariant()}";
        resource.AdditionalResources.Add(added);
    }

    public static void NameAll(this KubernetesResource resource, string name)
    {
        resource.Workload!.Metadata.Name = $"{name}-{resource.Workload.Kind!.ToLowerInvariant()}";
        resource.Service!.Metadata.Name = $"{name}-service";
    }

    public static LabelSelectorV1 Selector(this KubernetesResource resource) => new(new Dictionary<string, string>(resource.Workload!.PodTemplate.Metadata.Labels));

    public static ContainerV1 Container(this KubernetesResource resource) => resource.Workload!.PodTemplate.Spec.Containers.Single();

    /// <summary>The "restricted" level of https://kubernetes.io/docs/concepts/security/pod-security-standards/ and a read-only root.</summary>
    public static PodSpecV1 Restrict(this PodSpecV1 pod, string serviceAccount, int user)
    {
        pod.ServiceAccountName = serviceAccount;
        pod.AutomountServiceAccountToken = false;
        pod.EnableServiceLinks = false;
        pod.SecurityContext = new()
        {
            RunAsNonRoot = true,
            RunAsUser = user,
            RunAsGroup = user,
            FsGroup = user,
            FsGroupChangePolicy = "OnRootMismatch",
            SeccompProfile = new() { Type = "RuntimeDefault" },
        };
        pod.Volumes.Add(new() { Name = TemporaryFiles, EmptyDir = new() { SizeLimit = "64Mi" } });
        return pod;
    }

    public static ContainerV1 Restrict(this ContainerV1 container)
    {
        container.SecurityContext = new()
        {
            AllowPrivilegeEscalation = false,
            ReadOnlyRootFilesystem = true,
            Capabilities = new() { Drop = { "ALL" } },
        };
        container.VolumeMounts.Add(new() { Name = TemporaryFiles, MountPath = "/tmp" });
        return container;
    }

    /// <summary>
    /// Replicas by value or by the autoscaler, updated without ever having fewer of them in service, spread over zones and nodes, and
    /// evicted one at a time.
    /// </summary>
    public static void Replicate(
        this KubernetesResource resource, string name, Expression<Func<ChartValues, int>> replicas, Expression<Func<ChartValues, AutoscalingValues>> autoscaling)
    {
        var deployment = (Deployment)resource.Workload!;
        var isAutoscaled = Helm.Path(autoscaling, values => values.Enabled);
        // Without a number a Deployment that has one falls to 1 until the autoscaler has seen it: it keeps what it has.
        var present = $"(lookup `apps/v1` `Deployment` .Release.Namespace `{name}`)";
        deployment.Spec.Replicas = Helm.Number(
            $"if {isAutoscaled} }}}}{{{{ {present}.spec.replicas }}}}{{{{ else }}}}{Helm.Value(replicas)}{{{{ end", $"or (not {isAutoscaled}) {present}");
        deployment.Spec.Strategy = new() { RollingUpdate = new() { MaxSurge = 1, MaxUnavailable = 0 } };
        deployment.Spec.MinReadySeconds = 2;
        deployment.Spec.ProgressDeadlineSeconds = 300;
        foreach (var domain in (string[])["topology.kubernetes.io/zone", "kubernetes.io/hostname"])
        {
            deployment.Spec.Template.Spec.TopologySpreadConstraints.Add(new()
            {
                TopologyKey = domain,
                MaxSkew = 1,
                WhenUnsatisfiable = "ScheduleAnyway",
                LabelSelector = resource.Selector(),
                MatchLabelKeys = { "pod-template-hash" },
            });
        }

        resource.Add(name, new PodDisruptionBudget { Spec = new(1, resource.Selector()) });
        resource.Add(name, new HorizontalPodAutoscaler
        {
            Spec = new(
                new("apps/v1", "Deployment", name),
                Helm.Number(Helm.Path(autoscaling, values => values.MinReplicas)),
                Helm.Number(Helm.Path(autoscaling, values => values.MaxReplicas)),
                [new("Resource", new("cpu", new("Utilization", Helm.Number(Helm.Path(autoscaling, values => values.CpuPercent)))))]),
        }.When(isAutoscaled));
    }

    public static ResourceRequirementsV1 Resources(Expression<Func<ChartValues, ResourceValues>> resources) => Resources(
        $"{{{{ {Helm.Path(resources, values => values.Requests.Cpu)} }}}}",
        $"{{{{ {Helm.Path(resources, values => values.Requests.Memory)} }}}}",
        $"{{{{ {Helm.Path(resources, values => values.Limits.Memory)} }}}}");

    public static ResourceRequirementsV1 Resources(string cpu, string memory, string memoryLimit) => new()
    {
        Requests = { ["cpu"] = cpu, ["memory"] = memory },
        Limits = { ["memory"] = memoryLimit },
    };

    /// <summary>What whoever installs the chart sets besides. The last source of an environment counts, so it also changes what the chart sets.</summary>
    public static void Settings(this KubernetesResource resource, string name, Expression<Func<ChartValues, Dictionary<string, string>>> settings)
    {
        resource.Add($"{name}-settings", new ConfigMap { Data = { ["{{ $name }}"] = "{{ $value | quote }}".ForEach(settings) } });
        resource.Container().EnvFrom.Add(new() { ConfigMapRef = new() { Name = $"{name}-settings" } });
        resource.UpdateWith("settings-configmap");
    }

    /// <summary>
    /// By number: the port may be another container's, a sidecar's. Set here, as Aspire makes no startup probe of the model's and writes the
    /// scheme in lower case, which the API server refuses (https://github.com/microsoft/aspire/issues/18271).
    /// </summary>
    public static ProbeV1 Probe(string path, int port, int period, int timeout, int failures) => new()
    {
        HttpGet = new() { Path = path, Port = port, Scheme = "HTTP" },
        PeriodSeconds = period,
        TimeoutSeconds = timeout,
        FailureThreshold = failures,
    };

    /// <summary>Alive within a minute of its start, looked at closely; then rarely; taken out of service by the second failure to be ready.</summary>
    public static void WithProbes(this ContainerV1 container, int port, string readiness)
    {
        container.StartupProbe = Probe("/alive", port, period: 1, timeout: 2, failures: 60);
        container.LivenessProbe = Probe("/alive", port, period: 10, timeout: 3, failures: 3);
        container.ReadinessProbe = Probe(readiness, port, period: 2, timeout: 2, failures: 2);
    }

    /// <summary>
    /// The pod is out of its Service at once; what still sends to it learns of that while it sleeps. Aspire's type has the other kinds of
    /// handler too, empty, which the API server refuses.
    /// </summary>
    public static LifecycleV1 Sleep(int seconds) => new() { PreStop = new() { Sleep = new() { Seconds = seconds }, Exec = null!, HttpGet = null!, TcpSocket = null! } };

    public static ServiceAccount Account(string? googleAccount)
    {
        var account = new ServiceAccount { AutomountServiceAccountToken = false };
        if (googleAccount is not null)
        {
            account.Metadata.Annotations["iam.gke.io/gcp-service-account"] = $"{{{{ {googleAccount} }}}}".If(googleAccount);
        }

        return account;
    }

    /// <summary>A changed template of settings or secrets changes the pods, which are then updated.</summary>
    public static void UpdateWith(this KubernetesResource resource, string file) =>
        resource.Workload!.PodTemplate.Metadata.Annotations[$"checksum/{file}"] = $"{{{{ include (print $.Template.BasePath `/{resource.Name}/{file}.yaml`) . | sha256sum }}}}";

    public static T When<T>(this T resource, string condition)
        where T : BaseKubernetesResource
    {
        resource.ApiVersion = resource.ApiVersion!.If(condition);
        return resource;
    }
}
