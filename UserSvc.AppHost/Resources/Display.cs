namespace UserSvc.AppHost.Resources;

/// <summary>What the dashboard shows of a local run beyond names and states: links by name, parents, commands.</summary>
internal static class Display
{
    public static IResourceBuilder<ProjectResource> WithInstanceDisplay(this IResourceBuilder<ProjectResource> instance, LocalRun local) => local.Options is null
        ? instance
        : instance.WithLink("http", "API reference", "/scalar").WithInstanceFaults();

    public static IResourceBuilder<ProjectResource> WithSidecarDisplay(this IResourceBuilder<ProjectResource> sidecar, IResourceBuilder<ProjectResource> instance) => sidecar
        .WithLink("admin", "Admin page", "/")
        .WithLink("http", "Users API", "/user/health", detailsOnly: true)
        .WithLink("health", "Readiness", "/ready", detailsOnly: true)
        .WithParentRelationship(instance);

    public static IResourceBuilder<ProjectResource> WithEdgeDisplay(this IResourceBuilder<ProjectResource> edge, LocalRun local)
    {
        if (local.Options is not { } options)
        {
            return edge;
        }

        if (options.Tls)
        {
            edge.WithLink("https", "Users API over TLS", "/user/health", detailsOnly: true);
        }

        return edge.WithLink("http", "Users API", "/user/health")
            .WithLink("admin", "Admin page", "/")
            .WithLink("health", "Readiness", "/ready", detailsOnly: true)
            .WithHealthCheckCommands();
    }

    private static IResourceBuilder<ProjectResource> WithLink(
        this IResourceBuilder<ProjectResource> project, string endpoint, string text, string path, bool detailsOnly = false) =>
        project.WithUrlForEndpoint(endpoint, url =>
        {
            url.Url = new Uri(new Uri(url.Url), path).ToString();
            url.DisplayText = text;
            url.DisplayLocation = detailsOnly ? UrlDisplayLocation.DetailsOnly : UrlDisplayLocation.SummaryAndDetails;
        });
}
