using Microsoft.AspNetCore.Server.Kestrel.Core;
using Yarp.ReverseProxy.Configuration;

namespace UserSvc.Edge.Configuration;

/// <summary>A section of the configuration and the type whose properties are its settings.</summary>
internal sealed record KnownSection(string Path, Type Type);

/// <summary>Section <c>ReverseProxy</c>, as YARP reads it.</summary>
internal sealed record ReverseProxySection(IReadOnlyDictionary<string, RouteConfig> Routes, IReadOnlyDictionary<string, ClusterConfig> Clusters);

/// <summary>
/// Section <c>Kestrel</c>, as Kestrel reads it: partly by binding, partly by hand into types of its own. Without what Kestrel's own TLS
/// has beside a certificate in PEM files, as this edge brings its own.
/// </summary>
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
