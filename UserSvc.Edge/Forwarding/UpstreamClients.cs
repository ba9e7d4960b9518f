using System.Globalization;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Configuration.ClusterValidators;
using Yarp.ReverseProxy.Forwarder;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// YARP's connections to upstreams, with a connect timeout that a cluster sets in its metadata: <c>ConnectTimeout</c>, a time span
/// above zero, 250 ms by default. It covers the name lookup and the TCP and TLS handshakes.
/// </summary>
internal sealed class UpstreamClients(ILogger<ForwarderHttpClientFactory> logger) : ForwarderHttpClientFactory(logger), IClusterValidator
{
    private const string ConnectTimeout = "ConnectTimeout";

    public ValueTask ValidateAsync(ClusterConfig cluster, IList<Exception> errors)
    {
        if (Read(cluster.Metadata) is not { Ticks: > 0 })
        {
            errors.Add(new ArgumentException($"Metadata:{ConnectTimeout} of the cluster {cluster.ClusterId} is not a time span above zero."));
        }

        return ValueTask.CompletedTask;
    }

    protected override bool CanReuseOldClient(ForwarderHttpClientContext context) =>
        base.CanReuseOldClient(context) && Read(context.OldMetadata) == Read(context.NewMetadata);

    protected override void ConfigureHandler(ForwarderHttpClientContext context, SocketsHttpHandler handler)
    {
        base.ConfigureHandler(context, handler);
        handler.ConnectTimeout = Read(context.NewMetadata)!.Value;
    }

    private static TimeSpan? Read(IReadOnlyDictionary<string, string>? metadata) =>
        metadata?.GetValueOrDefault(ConnectTimeout) is not { } text ? TimeSpan.FromMilliseconds(250)
        : TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var time) ? time
        : null;
}
