using UserSvc.Edge.Listeners;
using UserSvc.Edge.Resilience;
using Yarp.ReverseProxy.Forwarder;

namespace UserSvc.Edge.Forwarding;

/// <summary>Gives YARP's connections to upstreams the cluster's connect timeout.</summary>
internal sealed class UpstreamClients(ILogger<ForwarderHttpClientFactory> logger) : ForwarderHttpClientFactory(logger)
{
    protected override bool CanReuseOldClient(ForwarderHttpClientContext context) =>
        base.CanReuseOldClient(context) && ConnectTimeout(context.OldMetadata) == ConnectTimeout(context.NewMetadata);

    protected override void ConfigureHandler(ForwarderHttpClientContext context, SocketsHttpHandler handler)
    {
        base.ConfigureHandler(context, handler);
        // TraceContext propagates the trace instead.
        handler.ActivityHeadersPropagator = null;
        handler.ConnectTimeout = ConnectTimeout(context.NewMetadata);
        handler.RequestHeaderEncodingSelector = HeaderBytes.ForUpstream;
        handler.ResponseHeaderEncodingSelector = HeaderBytes.ForUpstream;
    }

    private static TimeSpan ConnectTimeout(IReadOnlyDictionary<string, string>? metadata) => ClusterSettings.Read(metadata).ConnectTimeout;
}
