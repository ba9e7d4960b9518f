using System.Diagnostics;
using System.Net;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.ObjectPool;
using UserSvc.Edge.Forwarding;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Transforms;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Ends a try whose answer's headers do not come in time, and one that outlasts the request's own time. YARP's <c>ActivityTimeout</c> would
/// go on to cut bodies that pause for as long; ASP.NET's timeout middleware costs a timer, a linked token and a state machine more. What
/// each try comes to is counted here too.
/// </summary>
internal sealed class TryTimeout(IHttpForwarder forwarder, ResilienceState state, TimeProvider time) : IHttpForwarder
{
    private readonly ObjectPool<TryClock> _clocks = TryClock.CreatePool(time);

    public async ValueTask<ForwarderError> SendAsync(
        HttpContext context, string destinationPrefix, HttpMessageInvoker httpClient, ForwarderRequestConfig requestConfig, HttpTransformer transformer)
    {
        var tries = context.Features.GetRequiredFeature<Tries>();
        var (cluster, destination) = (tries.Cluster.Tries, state.Of(context.GetReverseProxyFeature().ProxiedDestination!).Tries);
        cluster.Begin();
        destination.Begin();
        var begun = time.GetTimestamp();
        using var span = UpstreamSpan.Start(context, destinationPrefix, tries.Number - 1);
        var clock = _clocks.Get();
        tries.Start(clock);
        ForwarderError error;
        try
        {
            error = await forwarder.SendAsync(context, destinationPrefix, httpClient, requestConfig, transformer, clock.Token);
        }
        finally
        {
            tries.Stop();
            _clocks.Return(clock);
        }

        if (span is not null)
        {
            UpstreamSpan.Complete(span, context, error);
        }

        var elapsed = (long)(time.GetElapsedTime(begun).TotalSeconds * Stopwatch.Frequency);
        tries.Outcome = TryOutcomes.Of(context, tries, error);
        cluster.End(tries.Outcome, context.Response.StatusCode, elapsed);
        destination.End(tries.Outcome, context.Response.StatusCode, elapsed);
        return error;
    }

    /// <summary>A response transform: the headers are there.</summary>
    public static ValueTask Stop(ResponseTransformContext context)
    {
        if (context.ProxyResponse is { } answer)
        {
            // Over HTTP/2, CONNECT with a protocol (RFC 8441).
            context.HttpContext.Features.Get<Tries>()?.Answered(
                upgraded: answer.StatusCode is HttpStatusCode.SwitchingProtocols || HttpMethods.IsConnect(context.HttpContext.Request.Method));
        }

        return default;
    }
}

internal static class TryTimeoutExtensions
{
    /// <summary>Puts the clock around YARP's own forwarder.</summary>
    public static void AddTryTimeout(this IServiceCollection services)
    {
        var forwarder = services.Single(s => s.ServiceType == typeof(IHttpForwarder)).ImplementationType!;
        services.Replace(ServiceDescriptor.Singleton<IHttpForwarder>(
            provider => new TryTimeout(
                (IHttpForwarder)ActivatorUtilities.CreateInstance(provider, forwarder),
                provider.GetRequiredService<ResilienceState>(),
                provider.GetRequiredService<TimeProvider>())));
    }
}
