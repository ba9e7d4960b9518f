using Microsoft.AspNetCore.Http.Features;
using UserSvc.Edge.Listeners;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Refuses requests while the cluster has its maximum in flight (Envoy's circuit breaker, max_requests). A request counts once, however
/// many attempts it takes. Creates the request's <see cref="Attempts"/>.
/// </summary>
internal sealed class CircuitBreaker(RequestDelegate next, ResilienceState state, TimeProvider time, IProblemDetailsService problems)
{
    public async Task InvokeAsync(HttpContext context)
    {
        var proxied = context.GetReverseProxyFeature();
        var cluster = state.Get(proxied.Route.Cluster!);
        var settings = cluster.GetSettings(proxied.Cluster);
        var inFlight = cluster.InFlight.Increment();
        try
        {
            if (inFlight <= settings.MaxRequests)
            {
                context.Features.Set(Attempts.Create(context, cluster, settings, time));
                await next(context);
                return;
            }
        }
        finally
        {
            cluster.InFlight.Decrement();
        }

        cluster.Statistics.ClusterOverflows.Increment();
        await new Refusal(StatusCodes.Status503ServiceUnavailable, "Too many requests to the service are in flight.", Overloaded: true).WriteAsync(context, problems);
    }
}

/// <summary>
/// The same limit for one destination: a full one is skipped for the least busy of the others. Runs after load balancing. As in Envoy,
/// requests balanced at the same moment may exceed the limit by one each.
/// </summary>
internal sealed class DestinationLimit(RequestDelegate next, IProblemDetailsService problems)
{
    public Task InvokeAsync(HttpContext context)
    {
        var proxied = context.GetReverseProxyFeature();
        if (proxied.AvailableDestinations is not [var picked])
        {
            return next(context);
        }

        var attempts = context.Features.GetRequiredFeature<Attempts>();
        var limit = attempts.Settings.MaxRequestsPerDestination;
        if (picked.ConcurrentRequestCount < limit)
        {
            return next(context);
        }

        var other = attempts.Candidates.MinBy(c => c.ConcurrentRequestCount);
        if (other?.ConcurrentRequestCount < limit)
        {
            proxied.AvailableDestinations = other;
            return next(context);
        }

        attempts.Cluster.Statistics.DestinationOverflows.Increment();
        return new Refusal(StatusCodes.Status503ServiceUnavailable, "Every instance has its maximum number of requests in flight.", Overloaded: true).WriteAsync(context, problems);
    }
}
