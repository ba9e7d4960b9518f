using Microsoft.AspNetCore.Http.Features;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Refuses what comes while a cluster has as many requests in flight as it may (Envoy's circuit breaker, max_requests). A request counts
/// once, whatever its tries.
/// </summary>
internal sealed class ClusterLimit(RequestDelegate next, ResilienceState state, IProblemDetailsService problems)
{
    public async Task InvokeAsync(HttpContext context)
    {
        var proxied = context.GetReverseProxyFeature();
        var cluster = state.Of(proxied.Route.Cluster!);
        var inFlight = Interlocked.Increment(ref cluster.InFlight);
        try
        {
            if (inFlight <= cluster.SettingsOf(proxied.Cluster).MaxRequests)
            {
                await next(context);
                return;
            }
        }
        finally
        {
            Interlocked.Decrement(ref cluster.InFlight);
        }

        Interlocked.Increment(ref cluster.ClusterOverflows);
        await Overload.RefuseAsync(context, problems, "The service has as many requests in flight as it may.");
    }
}

/// <summary>
/// The same for one destination: a full one is passed over for the least busy of the others. Stands behind load balancing. As in Envoy,
/// threads that choose at the same moment may exceed the limit by one each.
/// </summary>
internal sealed class DestinationLimit(RequestDelegate next, ResilienceState state, IProblemDetailsService problems)
{
    public Task InvokeAsync(HttpContext context)
    {
        var proxied = context.GetReverseProxyFeature();
        if (proxied.AvailableDestinations is not [var picked])
        {
            return next(context);
        }

        var cluster = state.Of(proxied.Route.Cluster!);
        var limit = cluster.SettingsOf(proxied.Cluster).MaxRequestsPerDestination;
        if (picked.ConcurrentRequestCount < limit)
        {
            return next(context);
        }

        var other = context.Features.GetRequiredFeature<Tries>().Candidates.MinBy(c => c.ConcurrentRequestCount);
        if (other?.ConcurrentRequestCount < limit)
        {
            proxied.AvailableDestinations = other;
            return next(context);
        }

        Interlocked.Increment(ref cluster.DestinationOverflows);
        return Overload.RefuseAsync(context, problems, "Every instance has as many requests in flight as it may.");
    }
}
