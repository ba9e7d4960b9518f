using System.Diagnostics;
using System.Net;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.ObjectPool;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Transforms;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Runs one attempt: YARP's forwarder with a clock, a span and counters around it. The clock ends an attempt whose headers do not arrive in
/// time or that outlasts its request. YARP's <c>ActivityTimeout</c> would also cut bodies that pause that long; ASP.NET's timeout
/// middleware costs another timer, linked token and state machine.
/// </summary>
internal sealed class AttemptForwarder(IHttpForwarder forwarder, ResilienceState state, TimeProvider time) : IHttpForwarder
{
    private readonly ObjectPool<AttemptClock> _clocks = AttemptClock.CreatePool(time);

    public async ValueTask<ForwarderError> SendAsync(
        HttpContext context, string destinationPrefix, HttpMessageInvoker httpClient, ForwarderRequestConfig requestConfig, HttpTransformer transformer)
    {
        var attempts = context.Features.GetRequiredFeature<Attempts>();
        var (cluster, destination) = (attempts.Cluster.Statistics.Attempts, state.Get(context.GetReverseProxyFeature().ProxiedDestination!).Attempts);
        cluster.Begin();
        destination.Begin();
        var begun = time.GetTimestamp();
        using var span = UpstreamSpan.Start(context, destinationPrefix, attempts.Number - 1);
        var clock = _clocks.Get();
        attempts.Start(clock, begun);
        ForwarderError error;
        try
        {
            error = await forwarder.SendAsync(context, destinationPrefix, httpClient, requestConfig, transformer, clock.Token);
        }
        finally
        {
            attempts.Stop();
            _clocks.Return(clock);
        }

        if (context.GetForwarderErrorFeature() is { } failure)
        {
            attempts.Fail(failure, context.Response.HasStarted);
        }

        if (span is not null)
        {
            UpstreamSpan.Complete(span, context, error);
        }

        var elapsed = (long)(time.GetElapsedTime(begun).TotalSeconds * Stopwatch.Frequency);
        cluster.End(attempts.Outcome, context.Response.StatusCode, elapsed);
        destination.End(attempts.Outcome, context.Response.StatusCode, elapsed);
        return error;
    }

    /// <summary>A response transform, called when the headers have arrived. If a retry follows, the client does not get this answer.</summary>
    public static ValueTask OnAnswer(ResponseTransformContext context)
    {
        if (context.ProxyResponse is { } answer && context.HttpContext.Features.Get<Attempts>() is { } attempts)
        {
            // Over HTTP/2 an upgrade is CONNECT with a protocol (RFC 8441).
            var upgraded = answer.StatusCode is HttpStatusCode.SwitchingProtocols || HttpMethods.IsConnect(context.HttpContext.Request.Method);
            context.SuppressResponseBody |= attempts.Answer(RetryRules.Classify(answer), upgraded);
        }

        return default;
    }

    /// <summary>
    /// A request transform that keeps SocketsHttpHandler from resending a request by itself. Whatever the method, it resends a request without
    /// content when a reused connection closes before the first byte of the answer.
    /// </summary>
    public static ValueTask GiveContent(RequestTransformContext context)
    {
        if (context.ProxyRequest.Content is null && RetryRules.GetRepeatability(context.HttpContext.Request) is not Repeatability.Safe)
        {
            RequestTransform.AddHeader(context, "Content-Length", "0");
        }

        return default;
    }
}
