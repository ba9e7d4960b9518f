using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Pipelines;
using Microsoft.Extensions.DependencyInjection;
using UserSvc.AppHost.Kubernetes;

internal sealed partial class Program
{
    private const string Environment = "kubernetes";

    static partial void AddChart(IDistributedApplicationBuilder builder, string[] args)
    {
        var shape = ShapeOptions.Read(args);
        foreach (var secret in (string[])["admin-key", "postgres-password"])
        {
            // The chart creates these secrets in the cluster. Without a value here, publishing would prompt for one.
            builder.Configuration[$"Parameters:{secret}"] = "unused";
        }

        builder.AddKubernetesEnvironment(Environment)
            .WithDashboard(false)
            .WithProperties(environment => environment.DefaultImagePullPolicy = "{{ .Values.image.pullPolicy }}");
        if (shape.ExternalDatabase is null)
        {
            Pods<PostgresServerResource>(builder, "postgres", PostgresPods.Configure);
        }
        else
        {
            builder.Resources.OfType<PostgresServerResource>().Single().Annotations.Add(ManifestPublishingCallbackAnnotation.Ignore);
        }

        Pods<ProjectResource>(builder, "usersvc", usersvc => UsersvcPods.Configure(usersvc, shape));
        Pods<ProjectResource>(builder, "edge", edge => EdgePods.Configure(edge, shape));
        builder.Pipeline.AddStep(
            "finish-chart",
            step =>
            {
                ChartCompletion.Complete(step.Services.GetRequiredService<IPipelineOutputService>().GetOutputDirectory(), shape);
                return Task.CompletedTask;
            },
            dependsOn: $"publish-{Environment}",
            requiredBy: WellKnownPipelineSteps.Publish);
    }

    /// <summary>Adds to a resource's objects what Aspire does not write by itself.</summary>
    private static void Pods<T>(IDistributedApplicationBuilder builder, string name, Action<KubernetesResource> configure)
        where T : class, IComputeResource =>
        builder.CreateResourceBuilder((T)builder.Resources.Single(resource => resource.Name == name)).PublishAsKubernetesService(configure);
}
