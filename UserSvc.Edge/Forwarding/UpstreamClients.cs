using System.Text;
using UserSvc.Edge.Resilience;
using Yarp.ReverseProxy.Forwarder;

namespace UserSvc.Edge.Forwarding;

/// <summary>YARP's connections to upstreams, with the cluster's connect timeout.</summary>
internal sealed class UpstreamClients(ILogger<ForwarderHttpClientFactory> logger) : ForwarderHttpClientFactory(logger)
{
    protected override bool CanReuseOldClient(ForwarderHttpClientContext context) =>
        base.CanReuseOldClient(context) && ConnectTimeout(context.OldMetadata) == ConnectTimeout(context.NewMetadata);

    protected override void ConfigureHandler(ForwarderHttpClientContext context, SocketsHttpHandler handler)
    {
        base.ConfigureHandler(context, handler);
        // TraceContext does that.
        handler.ActivityHeadersPropagator = null;
        handler.ConnectTimeout = ConnectTimeout(context.NewMetadata);
        // As Kestrel has read it: the default, ASCII, would make a client's header a failure of the upstream.
        handler.RequestHeaderEncodingSelector ??= static (_, _) => Encoding.UTF8;
    }

    private static TimeSpan ConnectTimeout(IReadOnlyDictionary<string, string>? metadata) => ClusterSettings.Read(metadata).ConnectTimeout;
}
