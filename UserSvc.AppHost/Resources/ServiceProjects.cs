using System.Globalization;
using UserSvc.AppHost.Processes;
using UserSvc.AppHost.Topology;

namespace UserSvc.AppHost.Resources;

internal static class ServiceProjects
{
    /// <summary>
    /// Endpoints are declared in the model alone: from launch profiles and Kestrel's sections Aspire would also make an https one that
    /// nothing listens on.
    /// </summary>
    public static void Explicit(ProjectResourceOptions options) => (options.ExcludeLaunchProfile, options.ExcludeKestrelEndpoints) = (true, true);

    /// <summary>
    /// No proxy in front of an instance: it would hide the instance's death, answering connections that the edge then sees reset.
    /// </summary>
    public static IResourceBuilder<ProjectResource> WithInstanceEndpoint(this IResourceBuilder<ProjectResource> project, LocalRun local) => local switch
    {
        { Options: null } => project.WithHttpEndpoint(targetPort: 8080).DisableForwardedHeaders(),
        { HasSidecars: true } => project.WithPortEndpoint("http", Ports.Free())
            .WithEnvironment("Listen__LoopbackPort", project.GetEndpoint("http").Property(EndpointProperty.TargetPort)),
        _ => project.WithHttpEndpoint(isProxied: false),
    };

    /// <summary>
    /// Makes the edge's program the proxy before this one instance. On one machine instances share their address, so the sidecars' ports are free ones;
    /// in pods each has 8080, 8001 and 8002.
    /// </summary>
    public static IResourceBuilder<ProjectResource> AsSidecarOf(this IResourceBuilder<ProjectResource> project, IResourceBuilder<ProjectResource> instance) => project
        .WithListener("http", "127.0.0.1", Ports.Free())
        .WithListener("health", "127.0.0.1", Ports.Free())
        .WithListener("admin", "127.0.0.1", Ports.Free())
        .WithEndpointsInEnvironment(_ => false)
        .WithEnvironment("Edge__Mode", "Sidecar")
        .WithEnvironment("Edge__TrustedProxies__0", "127.0.0.1")
        .WithEnvironment("ReverseProxy__Clusters__usersvc__Destinations__local__Address", $"http://127.0.0.1:{instance.GetEndpoint("http").Property(EndpointProperty.TargetPort)}");

    /// <summary>The public port; the health port, which only this machine or the cluster reaches; the admin port, which nobody but this machine does.</summary>
    public static IResourceBuilder<ProjectResource> WithEdgeEndpoints(this IResourceBuilder<ProjectResource> edge, LocalRun local) => local.Options is not { } options
        ? edge.WithHttpEndpoint(targetPort: 8080).WithHttpEndpoint(targetPort: 8002, name: "health")
            .WithEndpoint("http", endpoint => endpoint.IsExternal = true)
            // The edge's own settings name its listeners, and clients must not choose their address by X-Forwarded-For.
            .WithEndpointsInEnvironment(_ => false)
            .DisableForwardedHeaders()
        : edge.WithListener("http", options.BindAddress, options.Port)
            .WithListener("health", "127.0.0.1", options.HealthPort)
            .WithListener("admin", "127.0.0.1", options.AdminPort)
            .WithTlsListener(local.Certificate, options)
            .WithEndpoint("http", endpoint => endpoint.IsExternal = true)
            .WithEndpointsInEnvironment(_ => false);

    /// <summary>An endpoint of the model, and the setting of the edge's program that opens it.</summary>
    private static IResourceBuilder<ProjectResource> WithListener(this IResourceBuilder<ProjectResource> project, string name, string host, int port) =>
        project.WithPortEndpoint(name, port)
            .WithEnvironment($"Kestrel__Endpoints__{char.ToUpperInvariant(name[0])}{name[1..]}__Url", string.Create(CultureInfo.InvariantCulture, $"http://{host}:{port}"));

    private static IResourceBuilder<ProjectResource> WithPortEndpoint(this IResourceBuilder<ProjectResource> project, string name, int port) =>
        project.WithHttpEndpoint(port: port, targetPort: port, name: name, isProxied: false);

    private static IResourceBuilder<ProjectResource> WithTlsListener(this IResourceBuilder<ProjectResource> edge, LocalCertificate? certificate, TopologyOptions options) => certificate is null
        ? edge
        : edge.WithHttpsEndpoint(port: options.TlsPort, targetPort: options.TlsPort, isProxied: false)
            .WithEndpoint("https", endpoint => endpoint.IsExternal = true)
            .WithEnvironment("Kestrel__Endpoints__Https__Url", string.Create(CultureInfo.InvariantCulture, $"https://{options.BindAddress}:{options.TlsPort}"))
            .WithEnvironment("Kestrel__Endpoints__Https__Certificate__Path", certificate.Path)
            .WithEnvironment("Kestrel__Endpoints__Https__Certificate__KeyPath", certificate.KeyPath);

    /// <summary>
    /// Makes each instance a destination of the edge's cluster, by its own name. In a Kubernetes cluster they are the pods of their Service,
    /// whose names are those of the resource and its endpoint.
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

    public static IResourceBuilder<ProjectResource> WithLocalEnvironment(this IResourceBuilder<ProjectResource> project, LocalRun local) => local.Options is null
        ? project
        : project
            .RunsItsOwnProgram()
            // The edge's comes by its own settings, and the dashboard would warn of an untrusted one.
            .WithoutHttpsCertificate()
            .WithEnvironment("ASPNETCORE_ENVIRONMENT", "Development")
            .WithEnvironment("Instance__Name", project.Resource.Name)
            .WithEnvironment("Instance__Address", "127.0.0.1")
            .WithEnvironment("Drain__Time", "00:00:01")
            .WithEnvironment("OTEL_TRACES_SAMPLER", "always_on");

    /// <summary>
    /// The built program instead of <c>dotnet run</c>: half the start, a quarter less memory, and no wrapper between the orchestrator's signals and the
    /// service. An IDE that debugs the AppHost still starts the projects by itself.
    /// </summary>
    private static IResourceBuilder<ProjectResource> RunsItsOwnProgram(this IResourceBuilder<ProjectResource> project)
    {
        var path = project.Resource.GetProjectMetadata().ProjectPath;
        return project.WithAnnotation(new ExecutableAnnotation
        {
            Command = Path.ChangeExtension(TopologyOptions.BuildFact(Path.GetFileNameWithoutExtension(path)), OperatingSystem.IsWindows() ? ".exe" : null),
            WorkingDirectory = Path.GetDirectoryName(path)!,
        });
    }
}
