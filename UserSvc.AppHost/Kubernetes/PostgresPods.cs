using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>A single PostgreSQL on a persistent disk, enough for a small system. <c>--ExternalDatabase</c> replaces it with a managed one.</summary>
internal static class PostgresPods
{
    public const int Port = 5432;

    /// <summary>
    /// The Service that clients connect to. The StatefulSet's headless Service resolves to the pod's address, so clients would use the old address
    /// after the pod is replaced, until their DNS caches expire.
    /// </summary>
    public const string ClientService = "database";

    public const string Secret = "postgres-secrets", Password = "POSTGRES_PASSWORD";

    private const string Name = "postgres";
    private const string Home = "/var/lib/postgresql";
    private const string Volume = "data";

    public static void Configure(KubernetesResource postgres)
    {
        postgres.NameAll(Name);
        var set = (StatefulSet)postgres.Workload!;
        set.Spec.ServiceName = Name;
        set.Spec.Replicas = 1;
        postgres.Service!.Spec.ClusterIp = "None";
        var port = postgres.Service.Spec.Ports.Single();
        (port.Port, port.TargetPort) = (Port, Port);
        postgres.Add(ClientService, new Service { Spec = { Selector = postgres.Service.Spec.Selector, Ports = { new() { Name = port.Name, Port = Port, TargetPort = Port, Protocol = "TCP" } } } });

        var pod = set.Spec.Template.Spec;
        pod.Volumes.Clear();
        pod.Restrict(Name, Pods.PostgresUser);
        pod.TerminationGracePeriodSeconds = 60;
        pod.Volumes.Add(new() { Name = "run", EmptyDir = new() { SizeLimit = "16Mi" } });

        var container = postgres.Container();
        container.Image = $"{{{{ .Values.postgres.image | default \"{container.Image}\" }}}}";
        container.VolumeMounts.Clear();
        container.Restrict();
        container.VolumeMounts.Add(new() { Name = "run", MountPath = "/var/run/postgresql" });
        container.VolumeMounts.Add(new() { Name = Volume, MountPath = Home });
        container.StartupProbe = IsReady(period: 2, timeout: 3, failures: 150);
        container.LivenessProbe = IsReady(period: 10, timeout: 5, failures: 6);
        container.ReadinessProbe = IsReady(period: 2, timeout: 3, failures: 2);

        // Not the disk's root: it may hold a lost+found, and initdb needs an empty folder.
        postgres.ConfigMap!.Data["PGDATA"] = $"{Home}/18/docker";
        postgres.UpdateWith("config");
        // The password belongs to the disk, and both outlive the release.
        postgres.Secret!.MakeOnce(Secret, Password);
        container.EnvFrom.RemoveAll(source => source.SecretRef is not null);
        container.Env.Add(Pods.FromKept(Password, Name, Secret, Password));
        set.Spec.VolumeClaimTemplates.Add(new()
        {
            ApiVersion = null,
            Kind = null,
            Metadata = { Name = Volume },
            Spec =
            {
                AccessModes = { "ReadWriteOnce" },
                // Null selects the cluster's default class.
                StorageClassName = "{{ .Values.postgres.storage.className | default nil | toJson }}",
                Resources = { Requests = { ["storage"] = "{{ .Values.postgres.storage.size }}" } },
            },
        });

        postgres.Add(Name, new ServiceAccount());
        postgres.Add(Name, NetworkPolicies.Postgres(postgres));
    }

    private static ProbeV1 IsReady(int period, int timeout, int failures) => new()
    {
        Exec = new() { Command = { "pg_isready", "-h", "127.0.0.1", "-U", "postgres", "-d", "users" } },
        PeriodSeconds = period,
        TimeoutSeconds = timeout,
        FailureThreshold = failures,
    };
}
