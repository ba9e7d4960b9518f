using System.Diagnostics;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.ObjectPool;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Transforms;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Ends a try whose answer's headers do not come in time. YARP's own <c>ActivityTimeout</c> would go on to cut bodies that pause for as
/// long, so a clock of its own runs around the forwarder and stops at the headers. What each try comes to is counted here too.
/// </summary>
internal sealed class TryTimeout(IHttpForwarder forwarder, ResilienceState state) : IHttpForwarder
{
    private readonly ObjectPool<CancellationTokenSource> _timers = new DefaultObjectPool<CancellationTokenSource>(new Resettable());

    public async ValueTask<ForwarderError> SendAsync(
        HttpContext context, string destinationPrefix, HttpMessageInvoker httpClient, ForwarderRequestConfig requestConfig, HttpTransformer transformer)
    {
        var tries = context.Features.GetRequiredFeature<Tries>();
        var (cluster, destination) = (tries.Cluster.Tries, state.Of(context.GetReverseProxyFeature().ProxiedDestination!).Tries);
        cluster.Begin();
        destination.Begin();
        var begun = Stopwatch.GetTimestamp();
        CancellationTokenSource? timer = null;
        if (tries.Timeout is { } timeout)
        {
            timer = tries.Timer = _timers.Get();
            timer.CancelAfter(timeout);
        }

        ForwarderError error;
        try
        {
            error = await forwarder.SendAsync(context, destinationPrefix, httpClient, requestConfig, transformer, timer?.Token ?? CancellationToken.None);
        }
        finally
        {
            if (timer is not null)
            {
                tries.Timer = null;
                tries.TimedOut = timer.IsCancellationRequested;
                _timers.Return(timer);
            }
        }

        var elapsed = Stopwatch.GetTimestamp() - begun;
        tries.Outcome = TryOutcomes.Of(context, tries, error);
        cluster.End(tries.Outcome, context.Response.StatusCode, elapsed);
        destination.End(tries.Outcome, context.Response.StatusCode, elapsed);
        return error;
    }

    /// <summary>A response transform: the headers are there.</summary>
    public static ValueTask Stop(ResponseTransformContext context)
    {
        if (context.ProxyResponse is not null)
        {
            context.HttpContext.Features.Get<Tries>()?.Timer?.CancelAfter(Timeout.InfiniteTimeSpan);
        }

        return default;
    }

    private sealed class Resettable : PooledObjectPolicy<CancellationTokenSource>
    {
        public override CancellationTokenSource Create() => new();

        public override bool Return(CancellationTokenSource obj)
        {
            if (obj.TryReset())
            {
                return true;
            }

            obj.Dispose();
            return false;
        }
    }
}

internal static class TryTimeoutExtensions
{
    /// <summary>Puts the clock around YARP's own forwarder.</summary>
    public static void AddTryTimeout(this IServiceCollection services)
    {
        var forwarder = services.Single(s => s.ServiceType == typeof(IHttpForwarder)).ImplementationType!;
        services.Replace(ServiceDescriptor.Singleton<IHttpForwarder>(
            provider => new TryTimeout((IHttpForwarder)ActivatorUtilities.CreateInstance(provider, forwarder), provider.GetRequiredService<ResilienceState>())));
    }
}
