using Microsoft.AspNetCore.Server.Kestrel.Core;
using Yarp.ReverseProxy.Configuration;

namespace UserSvc.Edge.Configuration;

/// <summary>Section <c>ReverseProxy</c>, as YARP reads it.</summary>
internal sealed record ReverseProxySection(IReadOnlyDictionary<string, RouteConfig> Routes, IReadOnlyDictionary<string, ClusterConfig> Clusters)
{
    // Set by YARP itself, or by the edge for all clusters, or they need a middleware the edge does not have: every request of the route would fail.
    public static readonly HashSet<(Type, string)> Unread =
    [
        (typeof(ClusterConfig), nameof(ClusterConfig.ClusterId)),
        (typeof(HttpClientConfig), nameof(HttpClientConfig.RequestHeaderEncoding)),
        (typeof(HttpClientConfig), nameof(HttpClientConfig.ResponseHeaderEncoding)),
        (typeof(DestinationConfig), nameof(DestinationConfig.Metadata)),
        (typeof(RouteConfig), nameof(RouteConfig.RouteId)),
        (typeof(RouteConfig), nameof(RouteConfig.AuthorizationPolicy)),
        (typeof(RouteConfig), nameof(RouteConfig.OutputCachePolicy)),
    ];
}

/// <summary>Section <c>Kestrel</c>, as Kestrel reads it. Of its TLS settings the edge supports only a certificate in PEM files.</summary>
internal sealed record KestrelSection(
    bool AddServerHeader,
    bool AllowAlternateSchemes,
    bool AllowHostHeaderOverride,
    bool AllowResponseHeaderCompression,
    bool AllowSynchronousIO,
    bool DisableStringReuse,
    KestrelServerLimits Limits,
    EndpointDefaults EndpointDefaults,
    IReadOnlyDictionary<string, EndpointSection> Endpoints);

internal sealed record EndpointDefaults(HttpProtocols Protocols);

internal sealed record EndpointSection(string Url, HttpProtocols Protocols, CertificateSection Certificate);

internal sealed record CertificateSection(string Path, string KeyPath, string Password);
