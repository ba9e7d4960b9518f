using UserSvc.AppHost.Topology;

namespace UserSvc.AppHost.Resources;

internal static class EdgeResource
{
    public static IResourceBuilder<ProjectResource> AddEdge(this IDistributedApplicationBuilder builder, string name, LocalRun local)
    {
        // The edge's settings name its listeners, not Aspire's environment variables.
        var edge = builder.AddService<Projects.UserSvc_Edge>(name, local).WithEndpointsInEnvironment(_ => false);
        if (local.Options is { } options)
        {
            edge.WithLocalListeners(options, local.Certificate).WithHealthCheckCommands();
            if (local.Dashboard is { } dashboard)
            {
                edge.WithEnvironment("Edge__TraceUrl", $"{dashboard}/traces/detail/{{trace_id}}");
            }
        }
        else
        {
            // Clients must not choose their address with X-Forwarded-For.
            edge.WithHttpEndpoint(targetPort: 8080).WithHttpEndpoint(targetPort: 8002, name: "health").DisableForwardedHeaders();
        }

        return edge.WithEndpoint("http", endpoint => endpoint.IsExternal = true).WithProbes("health", "/ready");
    }

    /// <summary>
    /// Makes each instance a destination of the edge's cluster, keyed by its name. In Kubernetes the destinations are the pods of the Service that has
    /// the resource's name.
    /// </summary>
    public static IResourceBuilder<ProjectResource> WithDestinations(
        this IResourceBuilder<ProjectResource> edge, string cluster, IReadOnlyList<IResourceBuilder<ProjectResource>> instances)
    {
        foreach (var instance in instances)
        {
            var setting = $"ReverseProxy__Clusters__{cluster}__Destinations__{instance.Resource.Name}__Address";
            var endpoint = instance.GetEndpoint("http");
            edge.WaitFor(instance);
            _ = edge.ApplicationBuilder.ExecutionContext.IsPublishMode
                ? edge.WithEnvironment(setting, $"k8s+http://{instance.Resource.Name}/{endpoint.EndpointName}")
                : edge.WithEnvironment(setting, endpoint);
        }

        return edge;
    }

    private static IResourceBuilder<ProjectResource> WithLocalListeners(this IResourceBuilder<ProjectResource> edge, TopologyOptions options, LocalCertificate? certificate)
    {
        edge.WithListener("http", options.BindAddress, options.Port).WithLink("http", "Users API", "/user/health")
            .WithListener("admin", "127.0.0.1", options.AdminPort).WithLink("admin", "Admin page", "/")
            .WithListener("health", "127.0.0.1", options.HealthPort).WithLink("health", "Readiness", "/ready", detailsOnly: true);
        return certificate is null
            ? edge
            : edge.WithListener("https", options.BindAddress, options.TlsPort, "https").WithLink("https", "Users API over TLS", "/user/health", detailsOnly: true)
                .WithEndpoint("https", endpoint => endpoint.IsExternal = true)
                .WithEnvironment("Kestrel__Endpoints__Https__Certificate__Path", certificate.Path)
                .WithEnvironment("Kestrel__Endpoints__Https__Certificate__KeyPath", certificate.KeyPath);
    }
}
