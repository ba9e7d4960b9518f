using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace UserSvc.AppHost.Kubernetes;

internal static class UsersvcPods
{
    private const string Name = "usersvc";
    private const string ConnectionString = "ConnectionStrings__users";
    private const int Port = 8080;
    private const int LoopbackPort = 5000;

    private static readonly string Sidecar = Helm.Path(values => values.Usersvc.Sidecar.Enabled);
    private static readonly string OwnPostgres = Helm.Path(values => values.Postgres.Enabled);
    private static readonly string OwnSecret = Helm.Path(values => values.Usersvc.SecretName);

    public static void Configure(KubernetesResource usersvc)
    {
        usersvc.NameAll(Name);
        var pod = usersvc.Workload!.PodTemplate.Spec.Restrict(Name, Images.User);
        pod.TerminationGracePeriodSeconds = 40;
        // The kubelet starts and stops it around the instance: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
        pod.InitContainers.Add(EdgePods.Sidecar("sidecar".If(Sidecar)));

        var container = usersvc.Container().Restrict();
        container.Image = Images.Of(Name, values => values.Usersvc.Digest);
        container.Ports.Single().Name = container.Ports.Single().Name.If(Helm.Not(Sidecar));
        container.Lifecycle = Pods.Sleep(5);
        container.WithProbes(Port, "/health");
        container.Resources = Pods.Resources(values => values.Usersvc.Resources);
        usersvc.Replicate(Name, values => values.Usersvc.Replicas, values => values.Usersvc.Autoscaling);
        usersvc.Add(Name, Pods.Account(Helm.Path(values => values.Usersvc.GcpServiceAccount)));

        Configuration(usersvc.ConfigMap!.Data);
        Secrets(usersvc, container);
        usersvc.UpdateWith("config");
        usersvc.Settings(Name, values => values.Usersvc.Settings);
        usersvc.UpdateWith("secrets");

        var port = usersvc.Service!.Spec.Ports.Single();
        (port.Port, port.TargetPort) = (80, Port);
        usersvc.Add(Name, NetworkPolicies.Usersvc(usersvc));
    }

    private static void Configuration(Dictionary<string, string> settings)
    {
        // Without a CPU limit half the node's cores would hash at a time, more than the memory covers.
        settings["Passwords__Concurrency"] = "2";
        settings["Listen__LoopbackPort"] = $"{LoopbackPort}".If(Sidecar);
        Telemetry.Add(settings);
    }

    private static void Secrets(KubernetesResource usersvc, ContainerV1 container)
    {
        var secret = usersvc.Secret!.StringData;
        secret.Clear();
        secret["Admin__Key"] = Helm.RequiredQuoted(values => values.Usersvc.AdminKey).If(Helm.Not(OwnSecret));
        secret[ConnectionString] = PostgresPods.ConnectionString.If(OwnPostgres);

        container.EnvFrom.Add(new() { SecretRef = new() { Name = Helm.Value(values => values.Usersvc.SecretName).If(OwnSecret, outer: 1) } });
        container.Env.Add(new()
        {
            Name = ConnectionString.If(Helm.Not(OwnPostgres)),
            ValueFrom = new()
            {
                SecretKeyRef = new() { Name = Helm.RequiredQuoted(values => values.Database.SecretName), Key = Helm.Quoted(values => values.Database.SecretKey) },
                ConfigMapKeyRef = null,
                FieldRef = null,
                ResourceFieldRef = null,
            },
        });
    }
}
