using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Resources;

/// <summary>One instance of the user service and, if there are sidecars, the proxy in front of it.</summary>
internal static class InstanceResource
{
    /// <summary>Without Aspire's proxy, which would hide the instance's death: it accepts connections that the edge then sees reset.</summary>
    public static IResourceBuilder<ProjectResource> AddInstance(this IDistributedApplicationBuilder builder, string name, LocalRun local)
    {
        var instance = builder.AddService<Projects.UserSvc_Api>(name, local)
            .WithReferenceEnvironment(ReferenceEnvironmentInjectionFlags.ConnectionString)
            .WithReplicas(local.ReplicasOfEach);
        _ = local switch
        {
            { Options: null } => instance.WithHttpEndpoint(targetPort: 8080).DisableForwardedHeaders(),
            { HasSidecars: true } => instance.WithLoopbackPort(Ports.Free()),
            _ => instance.WithHttpEndpoint(isProxied: false),
        };
        instance.WithProbes("http", "/health");
        return local.Options is null ? instance : instance.WithLink("http", "API reference", "/scalar").WithInstanceFaults();
    }

    /// <summary>
    /// The edge's program as the proxy of one instance. Its ports are free ones, because all sidecars share this machine's address; in a pod they are
    /// 8080, 8001 and 8002.
    /// </summary>
    public static IResourceBuilder<ProjectResource> AddSidecar(this IDistributedApplicationBuilder builder, IResourceBuilder<ProjectResource> instance, LocalRun local) => builder
        .AddService<Projects.UserSvc_Edge>($"{instance.Resource.Name}-sidecar", local)
        .WithListener("http", "127.0.0.1", Ports.Free())
        .WithListener("health", "127.0.0.1", Ports.Free())
        .WithListener("admin", "127.0.0.1", Ports.Free())
        .WithEndpointsInEnvironment(_ => false)
        .WithEnvironment("Edge__Mode", "Sidecar")
        .WithEnvironment("Edge__TrustedProxies__0", "127.0.0.1")
        .WithEnvironment("ReverseProxy__Clusters__usersvc__Destinations__local__Address", $"http://127.0.0.1:{instance.GetEndpoint("http").Property(EndpointProperty.TargetPort)}")
        .WithProbes("health", "/ready")
        .WithLink("admin", "Admin page", "/")
        .WithLink("http", "Users API", "/user/health", detailsOnly: true)
        .WithLink("health", "Readiness", "/ready", detailsOnly: true)
        .WithParentRelationship(instance);

    private static IResourceBuilder<ProjectResource> WithLoopbackPort(this IResourceBuilder<ProjectResource> instance, int port) => instance
        .WithHttpEndpoint(port: port, targetPort: port, isProxied: false)
        .WithEnvironment("Listen__LoopbackPort", instance.GetEndpoint("http").Property(EndpointProperty.TargetPort));
}
