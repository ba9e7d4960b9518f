using UserSvc.Edge.AccessLog;
using UserSvc.Edge.Admin;
using UserSvc.Edge.Forwarding;
using UserSvc.Edge.Limits;
using UserSvc.Edge.Listeners;
using UserSvc.Edge.Resilience;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge;

/// <summary>The whole path of a request through the edge.</summary>
/// <remarks><code>
///  client
///    │   1 Kestrel            connection, TLS, HTTP, limits; marks a connection with its listener
///    │   2 service defaults   completes the server span; asks to close while draining
///    │   3 listener counters  requests, answers, latency; at the end, the access log
///    │   4 RequestId          X-Request-Id on every answer
///    │   5 exceptions         become problem JSON
///    │   6 AdminGuard         admin listener: its own Host and origin only
///    │   7 RequestHeaders     refuses ambiguous requests, decides who the client is
///    │   8 NormalPath         one form of the path, to route and to forward
///    │   9 HttpsPolicy        HSTS or redirect, if configured
///    ├─ 10 routing ─────────► admin and health endpoints; then CORS, if configured
///    │  11 YARP               takes the route's cluster and its destinations
///    │  12 ForwarderErrors    413; failures become problem JSON
///    │  13 ForwardedProbes    a sidecar's own unreadiness
///    │  14 rate limiter       the route's RateLimiterPolicy
///    │  15 RequestBuffer      reads the body, up to 64 KiB
///    │  16 CircuitBreaker     limits requests in flight per cluster and client
///    │  17 Retry ◄──────────┐ another attempt, at another destination
///    │  18 balancing        │ session affinity, policy, DestinationLimit
///    │  19 passive health   │ ConsecutiveFailures judges the outcome
///    │  20 AttemptForwarder ┘ clock, span, counters; outcome and decision
///    ▼  21 YARP's forwarder   OriginalTarget, TraceContext; AnswerHeaders, OnAnswer
///  upstream
/// </code></remarks>
internal static class Pipeline
{
    public static void UsePipeline(this WebApplication app)
    {
        app.UseServiceDefaults();
        app.UseListenerStatistics(app.Services.GetRequiredService<AccessLogger>().Log);
        app.UseMiddleware<RequestId>();
        app.UseExceptionProblems();
        app.UseWhen(context => context.GetListener() is Listener.Admin, admin => admin.UseMiddleware<AdminGuard>());
        app.UseMiddleware<RequestHeaders>();
        app.UseMiddleware<NormalPath>();
        app.UseHttpsPolicy();
        app.UseRouting();
        app.UseCrossOrigin();
        app.UseOwnStatusProblems();
        app.MapAdmin();
        app.MapReverseProxy(proxied =>
        {
            proxied.UseMiddleware<ForwarderErrors>();
            proxied.UseMiddleware<ForwardedProbes>();
            proxied.UseRequestLimits();
            proxied.UseMiddleware<RequestBuffer>();
            proxied.UseMiddleware<CircuitBreaker>();
            proxied.UseAnswerAttemptCount();
            proxied.UseMiddleware<Retry>();
            proxied.UseSessionAffinity();
            proxied.UseLoadBalancing();
            proxied.UseMiddleware<DestinationLimit>();
            proxied.UsePassiveHealthChecks();
        }).WithoutTimeoutMiddleware().ServedOn(Listener.Public);
    }
}
