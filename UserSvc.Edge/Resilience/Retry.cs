using System.Globalization;
using System.Net;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Primitives;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Model;
using Yarp.ReverseProxy.Transforms;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Sends a failed request again, to another destination, where <see cref="RetryRules"/> and the budget allow it. Stands outside load
/// balancing, so that each try is balanced and judged by the passive health policy like a request of its own.
/// </summary>
internal sealed class Retry(RequestDelegate next, ResilienceState state, TimeProvider time)
{
    /// <summary>
    /// Upstreams learn which try they see; the name is Envoy's (include_request_attempt_count). A client's own is replaced. Where nothing is
    /// tried again, as in a sidecar, the count of the edge before it stays.
    /// </summary>
    private const string AttemptHeader = "x-envoy-attempt-count";

    private const int BodyLimit = 64 * 1024;

    // Envoy's: 25 ms, doubled each time, of which a random part is waited. The first retry does not wait, as it goes elsewhere.
    private static readonly TimeSpan Backoff = TimeSpan.FromMilliseconds(25);

    public async Task InvokeAsync(HttpContext context)
    {
        var proxied = context.GetReverseProxyFeature();
        var cluster = state.Of(proxied.Route.Cluster!);
        var repeatability = RetryRules.Of(context.Request);
        var body = KeepBody(context, repeatability);
        var settings = cluster.SettingsOf(proxied.Cluster);
        var retries = settings.Attempts > 1;
        var tries = new Tries(cluster, settings, repeatability, body, proxied.Route.Config.Timeout, time);
        var headers = context.Response.Headers.Count == 0 ? [] : context.Response.Headers.ToArray();
        context.Features.Set(tries);
        cluster.Budget.AddRequest();
        for (var candidates = proxied.AvailableDestinations; ; candidates = Without(proxied.ProxiedDestination, candidates))
        {
            tries.Begin(candidates);
            if (tries.Number > 1)
            {
                await PrepareAsync(context, tries, headers, body);
            }

            proxied.AvailableDestinations = candidates;
            proxied.ProxiedDestination = null;
            if (retries || !context.Request.Headers.ContainsKey(AttemptHeader))
            {
                context.Request.Headers[AttemptHeader] = tries.Number == 1 ? "1" : tries.Number.ToString(CultureInfo.InvariantCulture);
            }

            await next(context);
            if (!FollowsAnother(context, tries))
            {
                break;
            }
        }

        if (tries.TimedOut && context.GetForwarderErrorFeature() is not null && !context.Response.HasStarted)
        {
            // To YARP it was cancelled, which it answers as a failure of the upstream.
            context.Response.StatusCode = StatusCodes.Status504GatewayTimeout;
        }
        else if (tries.Number > 1 && context.GetForwarderErrorFeature() is null && context.Response.StatusCode < StatusCodes.Status500InternalServerError)
        {
            Interlocked.Increment(ref cluster.RetrySuccesses);
        }
    }

    /// <summary>
    /// Keeps SocketsHttpHandler from sending a request again by itself. It does so, whatever the method, when a connection that it had
    /// used before is closed before a byte of the answer and the request has no content.
    /// </summary>
    public static ValueTask GiveContent(RequestTransformContext context)
    {
        if (context.ProxyRequest.Content is null && RetryRules.Of(context.HttpContext.Request) is not Repeatability.Safe)
        {
            RequestTransform.AddHeader(context, "Content-Length", "0");
        }

        return default;
    }

    /// <summary>Decides about an answer before it is on its way to the client.</summary>
    public static ValueTask HoldBack(ResponseTransformContext context)
    {
        if (context.ProxyResponse is { StatusCode: HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable } answer
            && !answer.Headers.NonValidated.Contains(Overload.Header)
            && context.HttpContext.Features.Get<Tries>()?.Continue(RetryReason.GatewayError) == true)
        {
            context.SuppressResponseBody = true;
        }

        return default;
    }

    private static bool FollowsAnother(HttpContext context, Tries tries) =>
        tries.Retrying is not null
        || (!context.Response.HasStarted
            && context.GetForwarderErrorFeature() is { } failure
            && (tries.TimedOut ? RetryReason.TryTimeout : RetryRules.ReasonOf(failure)) is { } reason
            && tries.Continue(reason));

    private static ReplayableBody? KeepBody(HttpContext context, Repeatability repeatability)
    {
        if (context.Features.Get<IHttpRequestBodyDetectionFeature>()?.CanHaveBody != true)
        {
            return null;
        }

        // A request that is tried again only when it never left has not had its body read: nothing of it needs to be kept.
        var body = new ReplayableBody(context.Request.Body, repeatability is Repeatability.Once ? 0 : BodyLimit);
        context.Request.Body = body;
        return body;
    }

    private static DestinationState[] Without(DestinationState? failed, IReadOnlyList<DestinationState> candidates) => [.. candidates.Where(c => c != failed)];

    private async Task PrepareAsync(HttpContext context, Tries tries, KeyValuePair<string, StringValues>[] headers, ReplayableBody? body)
    {
        if (tries.Number > 2)
        {
            await Task.Delay(Backoff * (1 << (tries.Number - 3)) * Random.Shared.NextDouble(), time, context.RequestAborted);
        }

        context.Response.Clear();
        foreach (var (name, value) in headers)
        {
            context.Response.Headers[name] = value;
        }

        context.Features.Set<IForwarderErrorFeature>(null);
        body?.Replay();
    }
}
