using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.ObjectPool;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Transforms;

namespace UserSvc.Edge.Resilience;

/// <summary>
/// Ends a try whose answer's headers do not come in time. YARP's own <c>ActivityTimeout</c> would go on to cut bodies that pause for as
/// long, so a clock of its own runs around the forwarder and stops at the headers.
/// </summary>
internal sealed class TryTimeout(IHttpForwarder forwarder) : IHttpForwarder
{
    private readonly ObjectPool<CancellationTokenSource> _timers = new DefaultObjectPool<CancellationTokenSource>(new Resettable());

    public ValueTask<ForwarderError> SendAsync(
        HttpContext context, string destinationPrefix, HttpMessageInvoker httpClient, ForwarderRequestConfig requestConfig, HttpTransformer transformer) =>
        context.Features.Get<Tries>() is { Timeout: { } timeout } tries
            ? SendAsync(context, destinationPrefix, httpClient, requestConfig, transformer, tries, timeout)
            : forwarder.SendAsync(context, destinationPrefix, httpClient, requestConfig, transformer);

    /// <summary>A response transform: the headers are there.</summary>
    public static ValueTask Stop(ResponseTransformContext context)
    {
        if (context.ProxyResponse is not null)
        {
            context.HttpContext.Features.Get<Tries>()?.Timer?.CancelAfter(Timeout.InfiniteTimeSpan);
        }

        return default;
    }

    private async ValueTask<ForwarderError> SendAsync(
        HttpContext context, string destinationPrefix, HttpMessageInvoker httpClient, ForwarderRequestConfig requestConfig, HttpTransformer transformer,
        Tries tries, TimeSpan timeout)
    {
        var timer = _timers.Get();
        tries.Timer = timer;
        timer.CancelAfter(timeout);
        try
        {
            return await forwarder.SendAsync(context, destinationPrefix, httpClient, requestConfig, transformer, timer.Token);
        }
        finally
        {
            tries.Timer = null;
            tries.TimedOut = timer.IsCancellationRequested;
            _timers.Return(timer);
        }
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
            provider => new TryTimeout((IHttpForwarder)ActivatorUtilities.CreateInstance(provider, forwarder))));
    }
}
