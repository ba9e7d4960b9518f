using Microsoft.AspNetCore.Http.Features;
using UserSvc.Edge.Listeners;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Where a route covers the path that this proxy probes, as in a sidecar, the instance's readiness passes through. The sidecar answers by
/// itself only while it drains or was taken out of service. As on the instance, probes are not measured.
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
        return drain.Started ? new Refusal(StatusCodes.Status503ServiceUnavailable, "drain: draining").WriteAsync(context, problems)
            : server.TakenOut is { } reason ? new Refusal(StatusCodes.Status503ServiceUnavailable, $"operator: {reason}").WriteAsync(context, problems)
            : next(context);
    }
}
