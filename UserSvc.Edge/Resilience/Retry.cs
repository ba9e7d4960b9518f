using System.Globalization;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using UserSvc.Edge.Statistics;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Repeats a failed request at another destination while <see cref="Attempts"/> says so. Runs outside load balancing, so that each attempt
/// is balanced, and judged by the passive health policy, like a separate request.
/// </summary>
internal sealed class Retry(RequestDelegate next, TimeProvider time)
{
    /// <summary>
    /// Tells upstreams which attempt they see; the name is Envoy's (include_request_attempt_count). Replaces what the client sent. Where
    /// nothing is retried, as in a sidecar, the count set by the edge in front of it stays.
    /// </summary>
    public const string AttemptHeader = "x-envoy-attempt-count";

    // As in Envoy: a random delay of up to 25 ms, doubled each time. The first retry does not wait: it goes to another destination.
    private static readonly TimeSpan Backoff = TimeSpan.FromMilliseconds(25);

    public async Task InvokeAsync(HttpContext context)
    {
        var proxied = context.GetReverseProxyFeature();
        var attempts = context.Features.GetRequiredFeature<Attempts>();
        var headers = context.Response.Headers.Count == 0 ? [] : context.Response.Headers.ToArray();
        attempts.Cluster.Budget.AddRequest();
        DestinationState? failed = null;
        for (var candidates = proxied.AvailableDestinations; ; candidates = Without(failed, candidates))
        {
            attempts.Begin(candidates, failed);
            proxied.AvailableDestinations = candidates;
            proxied.ProxiedDestination = null;
            if (attempts.Number > 1)
            {
                await PrepareAsync(context, attempts.Number, headers);
            }

            if (attempts.Settings.Attempts > 1 || !context.Request.Headers.ContainsKey(AttemptHeader))
            {
                context.Request.Headers[AttemptHeader] = attempts.Number == 1 ? "1" : attempts.Number.ToString(CultureInfo.InvariantCulture);
            }

            await next(context);
            if (attempts.Decision is not RetryDecision.Retry)
            {
                break;
            }

            failed = proxied.ProxiedDestination;
        }

        if (context.GetForwarderErrorFeature() is not null && !context.Response.HasStarted && (attempts.TimedOut || attempts.Outcome is AttemptOutcome.ConnectFailure))
        {
            // For YARP, a time of ours that has passed is 502, and a connection that took too long is 504, which the edge before a sidecar does not retry.
            context.Response.StatusCode = attempts.Outcome is AttemptOutcome.ConnectFailure ? StatusCodes.Status502BadGateway : StatusCodes.Status504GatewayTimeout;
        }
        else if (attempts is { Number: > 1, Outcome: AttemptOutcome.Answered })
        {
            attempts.Cluster.Statistics.RetrySuccesses.Increment();
        }
    }

    private static DestinationState[] Without(DestinationState? failed, IReadOnlyList<DestinationState> candidates) => [.. candidates.Where(c => c != failed)];

    private async Task PrepareAsync(HttpContext context, int attempt, KeyValuePair<string, StringValues>[] headers)
    {
        if (attempt > 2)
        {
            await Task.Delay(Backoff * (1 << (attempt - 3)) * Random.Shared.NextDouble(), time, context.RequestAborted);
        }

        context.Response.Clear();
        foreach (var (name, value) in headers)
        {
            context.Response.Headers[name] = value;
        }

        context.Features.Set<IForwarderErrorFeature>(null);
    }
}
