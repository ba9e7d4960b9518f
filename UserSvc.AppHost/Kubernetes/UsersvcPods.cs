using System.Globalization;
using Aspire.Hosting.Kubernetes;

namespace UserSvc.AppHost.Kubernetes;

internal static class UsersvcPods
{
    private const string Name = "usersvc";
    private const string Secret = "usersvc-admin";
    private const string AdminKey = "Admin__Key";
    private const string ConnectionString = "ConnectionStrings__users";
    private const int Port = 8080;
    private const int LoopbackPort = 5000;

    public static void Configure(KubernetesResource usersvc, ShapeOptions shape)
    {
        usersvc.NameAll(Name);
        var pod = usersvc.Workload!.PodTemplate.Spec.Restrict(Name, Pods.User);

        var container = usersvc.Container().Restrict().NamePod().WithProbes(Port, "/health");
        container.Image = Pods.Image(Name);
        usersvc.Replicate(Name, shape.Autoscaling);
        usersvc.Add(Name, new ServiceAccount());
        usersvc.Add(Name, NetworkPolicies.Usersvc(usersvc, shape));
        (usersvc.Service!.Spec.Ports.Single().Port, usersvc.Service.Spec.Ports.Single().TargetPort) = (80, Port);

        var settings = usersvc.ConfigMap!.Data;
        // Without a CPU limit, half of the node's cores would hash at once and need more memory than the pod has.
        settings["Passwords__Concurrency"] = "2";
        if (shape.Telemetry is not null)
        {
            settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = shape.Telemetry;
        }

        usersvc.Secret!.MakeOnce(Secret, AdminKey);
        container.EnvFrom.RemoveAll(source => source.SecretRef is not null);
        container.Env.Add(Pods.FromKept(AdminKey, Name, Secret, AdminKey));
        if (shape.ExternalDatabase is { } secret)
        {
            container.Env.Add(Pods.FromSecret(ConnectionString, secret, ConnectionString));
        }
        else
        {
            settings[ConnectionString] = string.Create(CultureInfo.InvariantCulture, $"Host={PostgresPods.ClientService};Port={PostgresPods.Port};Username=postgres;Database=users");
            // Npgsql reads it when the connection string has no password.
            container.Env.Add(Pods.FromKept("PGPASSWORD", "postgres", PostgresPods.Secret, PostgresPods.Password));
        }

        usersvc.Settings(Name);
        if (shape.Sidecars)
        {
            // The kubelet starts it before the instance and stops it afterwards: https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
            pod.InitContainers.Add(EdgePods.Sidecar(shape.Telemetry));
            container.Ports.Clear();
            settings["Listen__LoopbackPort"] = LoopbackPort.ToString(CultureInfo.InvariantCulture);
        }
    }
}
