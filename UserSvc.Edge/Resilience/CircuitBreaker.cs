using Microsoft.AspNetCore.Http.Features;
using UserSvc.Edge.Listeners;
using UserSvc.Edge.Statistics;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Refuses requests while the cluster has its maximum in flight (Envoy's circuit breaker, max_requests). A request over its client's share of
/// that waits up to a second first. A request counts once, however many attempts it takes, until its answer is written. Creates the
/// request's <see cref="Attempts"/>.
/// </summary>
internal sealed class CircuitBreaker(
    RequestDelegate next, ResilienceState state, TrustedProxies proxies, TimeProvider time, IProblemDetailsService problems)
{
    private const int MaxWaits = 20;

    private static readonly TimeSpan Wait = TimeSpan.FromMilliseconds(50);

    public async Task InvokeAsync(HttpContext context)
    {
        var proxied = context.GetReverseProxyFeature();
        var cluster = state.Get(proxied.Route.Cluster!);
        var settings = cluster.GetSettings(proxied.Cluster);
        var client = proxies.ShareKey(context.Connection.RemoteIpAddress);
        Shortage? shortage;
        // On a busy machine even a modest client's requests pile up. And refusing a pipelined flood at once would only let its next request in.
        for (var waits = 0; (shortage = cluster.InFlight.Take(client, 1, settings.MaxRequests)) is Shortage.Client && waits < MaxWaits; waits++)
        {
            await Task.Delay(Wait, time, context.RequestAborted);
        }

        if (shortage is { } reason)
        {
            await Refuse(reason, cluster.Statistics).WriteAsync(context, problems);
            return;
        }

        try
        {
            context.Features.Set(Attempts.Create(context, cluster, settings, time));
            await next(context);
        }
        finally
        {
            cluster.InFlight.Return(client, 1);
        }
    }

    private static Refusal Refuse(Shortage shortage, ClusterStatistics statistics)
    {
        if (shortage is Shortage.Client)
        {
            statistics.ClientOverflows.Increment();
            return new(StatusCodes.Status429TooManyRequests, "Too many requests of this client are in flight.");
        }

        statistics.ClusterOverflows.Increment();
        return new(StatusCodes.Status503ServiceUnavailable, "Too many requests to the service are in flight.", Overloaded: true);
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
