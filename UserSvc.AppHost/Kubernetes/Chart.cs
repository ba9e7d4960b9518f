using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Pipelines;
using Microsoft.Extensions.DependencyInjection;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>The Helm chart that <c>aspire publish</c> writes.</summary>
internal static class Chart
{
    private const string Environment = "kubernetes";
    private const string Version = "1.0.0";

    /// <summary>Only when it is the chart that is published: with a compute environment in the model the manifest's projects would be of a version that aspirate cannot read.</summary>
    public static void AddChart(this IDistributedApplicationBuilder builder)
    {
        if (!IsPublished(builder))
        {
            return;
        }

        foreach (var secret in (string[])["admin-key", "postgres-password"])
        {
            // Whoever installs the chart gives them; without a value here, publishing would ask for one.
            builder.Configuration[$"Parameters:{secret}"] = "unused";
        }

        builder.AddKubernetesEnvironment(Environment)
            .WithDashboard(false)
            .WithProperties(environment => environment.DefaultImagePullPolicy = Helm.Value(values => values.Image.PullPolicy))
            .WithHelm(helm => helm.WithChartName("usersvc").WithChartVersion(Version).WithChartDescription("A user service behind an edge proxy, with PostgreSQL."));
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
    public static IResourceBuilder<T> WithPods<T>(this IResourceBuilder<T> resource, Action<KubernetesResource> configure)
        where T : IComputeResource => IsPublished(resource.ApplicationBuilder) ? resource.PublishAsKubernetesService(configure) : resource;

    private static bool IsPublished(IDistributedApplicationBuilder builder) =>
        builder.ExecutionContext.IsPublishMode && builder.Configuration["Publishing:Publisher"] != "manifest" && builder.Configuration["Pipeline:Step"] != "publish-manifest";
}
