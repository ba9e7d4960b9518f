using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>What the pods of all resources have in common.</summary>
internal static class Pods
{
    private const string TemporaryFiles = "tmp";

    /// <summary>The user IDs in .NET's and PostgreSQL's images.</summary>
    public const int User = 1654, PostgresUser = 999;

    /// <summary>Adds an object to the resource's folder of the chart.</summary>
    public static void Add(this KubernetesResource resource, string name, BaseKubernetesResource added)
    {
        // The kind gives objects that share a name separate files; ChartCompletion removes it.
        added.Metadata.Name = $"{name}-{added.Kind!.ToLowerInvariant()}";
        resource.AdditionalResources.Add(added);
    }

    /// <summary>Names the workload and the Service so that both are <c>edge</c>, for example, once ChartCompletion has removed the kind.</summary>
    public static void NameAll(this KubernetesResource resource, string name) =>
        (resource.Workload!.Metadata.Name, resource.Service!.Metadata.Name) = ($"{name}-{resource.Workload.Kind!.ToLowerInvariant()}", $"{name}-service");

    public static LabelSelectorV1 Selector(this KubernetesResource resource) => new(new Dictionary<string, string>(resource.Workload!.PodTemplate.Metadata.Labels));

    public static ContainerV1 Container(this KubernetesResource resource) => resource.Workload!.PodTemplate.Spec.Containers.Single();

    public static string Image(string component) => $"{{{{ include \"usersvc.image\" (list . \"{component}\") }}}}";

    /// <summary>Applies the "restricted" level of https://kubernetes.io/docs/concepts/security/pod-security-standards/.</summary>
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

    /// <summary>Updates pods without reducing the replicas in service, spreads them over zones and nodes, and allows one eviction at a time.</summary>
    public static void Replicate(this KubernetesResource resource, string name, bool autoscaling)
    {
        var deployment = (Deployment)resource.Workload!;
        // usersvc.replicas in _helpers.tpl sets them.
        deployment.Spec.Replicas = null;
        deployment.Spec.Strategy = new() { RollingUpdate = new() { MaxSurge = 1, MaxUnavailable = 0 } };
        deployment.Spec.MinReadySeconds = 2;
        deployment.Spec.ProgressDeadlineSeconds = 300;
        // Load balancers may take this long to notice that a pod is leaving. A preStop sleep would not tell clients to close their connections.
        resource.ConfigMap!.Data["Drain__Time"] = "00:00:15";
        // Longer than Drain__Time and Drain__Grace (20 s) together.
        deployment.Spec.Template.Spec.TerminationGracePeriodSeconds = 40;
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
        if (autoscaling)
        {
            resource.Add(name, new HorizontalPodAutoscaler
            {
                Spec = new(
                    new("apps/v1", "Deployment", name),
                    $"{{{{ .Values.autoscaling.{name}.minReplicas }}}}",
                    $"{{{{ .Values.autoscaling.{name}.maxReplicas }}}}",
                    [new("Resource", new("cpu", new("Utilization", "{{ .Values.autoscaling.cpuPercent }}")))]),
            });
        }
    }

    /// <summary>Sets the variables that telemetry reads the pod's identity from.</summary>
    public static ContainerV1 NamePod(this ContainerV1 container)
    {
        foreach (var (name, path) in ((string, string)[])[("POD_NAME", "metadata.name"), ("POD_NAMESPACE", "metadata.namespace"), ("NODE_NAME", "spec.nodeName")])
        {
            // Aspire initialises the other sources too, and the API server rejects empty ones.
            container.Env.Add(new() { Name = name, ValueFrom = new() { FieldRef = new() { FieldPath = path }, ConfigMapKeyRef = null, ResourceFieldRef = null, SecretKeyRef = null } });
        }

        return container;
    }

    public static EnvVarV1 FromSecret(string variable, string secret, string key) => new()
    {
        Name = variable,
        ValueFrom = new() { SecretKeyRef = new() { Name = secret, Key = key }, ConfigMapKeyRef = null, FieldRef = null, ResourceFieldRef = null },
    };

    /// <summary>
    /// Creates the Secret once, as a hook: Helm does not count hooks as part of a release, so neither an upgrade nor a rollback changes it.
    /// </summary>
    public static void MakeOnce(this Secret secret, string name, string key)
    {
        secret.Metadata.Name = name;
        secret.Metadata.Annotations["helm.sh/hook"] = "pre-install,pre-upgrade";
        secret.StringData.Clear();
        secret.Data[key] = $"{{{{ include \"usersvc.secret\" (list . \"{key}\") }}}}";
    }

    /// <summary>Reads the variable from the Secret that the operator names, or else from the chart's.</summary>
    public static EnvVarV1 FromKept(string variable, string component, string secret, string key) =>
        FromSecret(variable, $"{{{{ .Values.{component}.existingSecret | default \"{secret}\" }}}}", key);

    /// <summary>Adds the operator's settings as the last source, which wins, so they can override the chart's settings.</summary>
    public static void Settings(this KubernetesResource resource, string name)
    {
        resource.Add($"{name}-settings", new ConfigMap());
        resource.Container().EnvFrom.Add(new() { ConfigMapRef = new() { Name = $"{name}-settings" } });
        resource.UpdateWith("config");
        resource.UpdateWith("settings-configmap");
    }

    /// <summary>Rolls the pods when the settings change. The checksum covers only the data: the ConfigMap's labels change with every version.</summary>
    public static void UpdateWith(this KubernetesResource resource, string file) =>
        resource.Workload!.PodTemplate.Metadata.Annotations[$"checksum/{file}"] = $"{{{{ (include (print .Template.BasePath \"/{resource.Name}/{file}.yaml\") . | fromYaml).data | toJson | sha256sum }}}}";

    /// <summary>
    /// The port is a number because a sidecar's container may declare it. The probes are set here because Aspire omits the model's startup probe and
    /// writes the scheme in lower case, which the API server rejects (https://github.com/microsoft/aspire/issues/18271).
    /// </summary>
    public static ProbeV1 Probe(string path, int port, int period, int timeout, int failures) => new()
    {
        HttpGet = new() { Path = path, Port = port, Scheme = "HTTP" },
        PeriodSeconds = period,
        TimeoutSeconds = timeout,
        FailureThreshold = failures,
    };

    /// <summary>
    /// Allows a minute to start, probed every second. After that, a restart takes a minute of failures, because restarting a process that is starved of
    /// CPU starves its node further. The second readiness failure takes the pod out of service.
    /// </summary>
    public static ContainerV1 WithProbes(this ContainerV1 container, int port, string readiness)
    {
        container.StartupProbe = Probe("/alive", port, period: 1, timeout: 2, failures: 60);
        container.LivenessProbe = Probe("/alive", port, period: 10, timeout: 5, failures: 6);
        container.ReadinessProbe = Probe(readiness, port, period: 2, timeout: 2, failures: 2);
        return container;
    }
}
