using Microsoft.AspNetCore.Http.Features;
using UserSvc.Edge.Admin;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Where the route takes in the path that this proxy itself probes, as in a sidecar, the instance's readiness passes through; only
/// that this proxy leaves, or was taken out by its operator, it says itself. As on the instance, probes are not measured.
/// </summary>
internal sealed class ForwardedProbes(RequestDelegate next, Drain drain, ServerState server, IProblemDetailsService problems)
{
    public Task InvokeAsync(HttpContext context)
    {
        if (context.GetReverseProxyFeature().Cluster.Config.HealthCheck?.Active?.Path is not { } path || context.Request.Path != path)
        {
            return next(context);
        }

        context.Features.Get<IHttpMetricsTagsFeature>()?.MetricsDisabled = true;
        return drain.Started ? RefuseAsync(context, "drain: draining")
            : server.TakenOut is { } reason ? RefuseAsync(context, $"operator: {reason}")
            : next(context);
    }

    private async Task RefuseAsync(HttpContext context, string reason) =>
        await problems.WriteAsync(new() { HttpContext = context, Exception = new UnavailableException(reason) });
}
