using Microsoft.AspNetCore.Server.Kestrel.Core;
using Yarp.ReverseProxy.Configuration;

namespace UserSvc.Edge.Configuration;

/// <summary>A section of the configuration and the type whose properties are its settings.</summary>
/// <param name="Path">Such as <c>Edge:Discovery</c>.</param>
/// <param name="Type">Each of its properties is a setting.</param>
/// <param name="Errors">What the feature that reads the section finds wrong beyond keys and types, one sentence per mistake.</param>
internal sealed record KnownSection(string Path, Type Type, Func<IConfigurationSection, IEnumerable<string>>? Errors = null);

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
