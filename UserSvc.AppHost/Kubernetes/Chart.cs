using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Pipelines;
using Microsoft.Extensions.DependencyInjection;
using UserSvc.AppHost.Kubernetes;

internal sealed partial class Program
{
    private const string Environment = "kubernetes";
    private const string Version = "1.0.0";

    static partial void AddChart(IDistributedApplicationBuilder builder)
    {
        foreach (var secret in (string[])["admin-key", "postgres-password"])
        {
            // Given when the chart is installed; without a value here, publishing would ask for one.
            builder.Configuration[$"Parameters:{secret}"] = "unused";
        }

        builder.AddKubernetesEnvironment(Environment)
            .WithDashboard(false)
            .WithProperties(environment => environment.DefaultImagePullPolicy = Helm.Value(values => values.Image.PullPolicy))
            .WithHelm(helm => helm.WithChartName("usersvc").WithChartVersion(Version).WithChartDescription("A user service behind an edge proxy, with PostgreSQL."));
        Pods<PostgresServerResource>(builder, "postgres", PostgresPods.Configure);
        Pods<ProjectResource>(builder, "usersvc", UsersvcPods.Configure);
        Pods<ProjectResource>(builder, "edge", EdgePods.Configure);
        builder.Pipeline.AddStep(
            "finish-chart",
            step =>
            {
                ChartFiles.Finish(step.Services.GetRequiredService<IPipelineOutputService>().GetOutputDirectory());
                return Task.CompletedTask;
            },
            dependsOn: $"publish-{Environment}",
            requiredBy: WellKnownPipelineSteps.Publish);
    }

    /// <summary>What the chart says of a resource beyond what Aspire writes by itself.</summary>
    private static void Pods<T>(IDistributedApplicationBuilder builder, string name, Action<KubernetesResource> configure)
        where T : class, IComputeResource =>
        builder.CreateResourceBuilder((T)builder.Resources.Single(resource => resource.Name == name)).PublishAsKubernetesService(configure);
}
