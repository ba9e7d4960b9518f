using UserSvc.Edge.Listeners;
using UserSvc.Edge.Resilience;
using Yarp.ReverseProxy.Forwarder;

namespace UserSvc.Edge.Forwarding;

/// <summary>Gives YARP's connections to upstreams the cluster's timeouts.</summary>
internal sealed class UpstreamClients(ILogger<ForwarderHttpClientFactory> logger) : ForwarderHttpClientFactory(logger)
{
    protected override bool CanReuseOldClient(ForwarderHttpClientContext context) =>
        base.CanReuseOldClient(context) && Timeouts(context.OldMetadata) == Timeouts(context.NewMetadata);

    protected override void ConfigureHandler(ForwarderHttpClientContext context, SocketsHttpHandler handler)
    {
        base.ConfigureHandler(context, handler);
        // TraceContext propagates the trace instead.
        handler.ActivityHeadersPropagator = null;
        handler.RequestHeaderEncodingSelector = HeaderBytes.ForUpstream;
        handler.ResponseHeaderEncodingSelector = HeaderBytes.ForUpstream;
        (handler.ConnectTimeout, var idle) = Timeouts(context.NewMetadata);
        if (idle is { } timeout)
        {
            handler.PooledConnectionIdleTimeout = timeout;
            // The handler looks for idle connections once a second at most, but checks the age of each before it uses it again. A connection
            // cannot have been idle longer than it has existed.
            handler.PooledConnectionLifetime = timeout;
        }
    }

    private static (TimeSpan Connect, TimeSpan? Idle) Timeouts(IReadOnlyDictionary<string, string>? metadata)
    {
        var settings = ClusterSettings.Read(metadata);
        return (settings.ConnectTimeout, settings.IdleTimeout);
    }
}
