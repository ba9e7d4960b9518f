using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>One PostgreSQL on a persistent disk: what a small system needs, and what <c>postgres.enabled</c> replaces by a managed one.</summary>
internal static class PostgresPods
{
    public const int Port = 5432;

    private const string Name = "postgres";
    private const string Home = "/var/lib/postgresql";
    private const string Volume = "data";

    private static readonly string Enabled = Helm.Path(values => values.Postgres.Enabled);
    private static readonly string StorageClass = Helm.Path(values => values.Postgres.StorageClass);

    /// <summary>As Npgsql writes it: a quotation mark in a quoted value is doubled.</summary>
    public static string ConnectionString =>
        $"{{{{ printf `Host={Name};Port={Port};Username=postgres;Password=\"%s\";Database=users` ({Helm.Path(values => values.Postgres.Password)} | replace `\"` `\"\"`) | quote }}}}";

    public static void Configure(KubernetesResource postgres)
    {
        postgres.NameAll(Name);
        var set = (StatefulSet)postgres.Workload!;
        // A StatefulSet needs the Service that its pods' names are in.
        set.Spec.ServiceName = Name;
        set.Spec.Replicas = 1;
        postgres.Service!.Spec.ClusterIp = "None";
        (postgres.Service.Spec.Ports.Single().Port, postgres.Service.Spec.Ports.Single().TargetPort) = (Port, Port);

        var pod = set.Spec.Template.Spec;
        pod.Volumes.Clear();
        pod.Restrict(Name, Images.PostgresUser);
        pod.TerminationGracePeriodSeconds = 60;
        pod.Volumes.Add(new() { Name = "run", EmptyDir = new() { SizeLimit = "16Mi" } });

        var container = postgres.Container();
        container.Image = $"{{{{ {Helm.Path(values => values.Postgres.Image)} | default `{container.Image}` }}}}";
        container.VolumeMounts.Clear();
        container.Restrict();
        container.VolumeMounts.Add(new() { Name = "run", MountPath = "/var/run/postgresql" });
        container.VolumeMounts.Add(new() { Name = Volume, MountPath = Home });
        container.StartupProbe = IsReady(period: 2, timeout: 3, failures: 150);
        container.LivenessProbe = IsReady(period: 10, timeout: 5, failures: 6);
        container.ReadinessProbe = IsReady(period: 2, timeout: 3, failures: 2);
        container.Resources = Pods.Resources(values => values.Postgres.Resources);

        // A folder below the disk's own, in which there may be a lost+found.
        postgres.ConfigMap!.Data["PGDATA"] = $"{Home}/18/docker";
        postgres.Secret!.StringData.Clear();
        postgres.Secret.StringData["POSTGRES_PASSWORD"] = Helm.RequiredQuoted(values => values.Postgres.Password);
        // It belongs to the disk, which outlives the release too.
        postgres.Secret.Metadata.Annotations["helm.sh/resource-policy"] = "keep";
        postgres.UpdateWith("config");
        set.Spec.VolumeClaimTemplates.Add(new()
        {
            ApiVersion = null,
            Kind = null,
            Metadata = { Name = Volume },
            Spec =
            {
                AccessModes = { "ReadWriteOnce" },
                StorageClassName = Helm.Quoted(values => values.Postgres.StorageClass).If(StorageClass),
                Resources = { Requests = { ["storage"] = Helm.Value(values => values.Postgres.StorageSize) } },
            },
        });

        postgres.Add(Name, Pods.Account(null));
        postgres.Add(Name, NetworkPolicies.Postgres(postgres));
        foreach (var part in (IEnumerable<BaseKubernetesResource>)[set, postgres.Service, postgres.ConfigMap, postgres.Secret, .. postgres.AdditionalResources])
        {
            part.When(Enabled);
        }
    }

    private static ProbeV1 IsReady(int period, int timeout, int failures) => new()
    {
        Exec = new() { Command = { "pg_isready", "-h", "127.0.0.1", "-U", "postgres", "-d", "users" } },
        PeriodSeconds = period,
        TimeoutSeconds = timeout,
        FailureThreshold = failures,
    };
}
