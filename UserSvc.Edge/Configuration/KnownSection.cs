using System.Security.Authentication;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Yarp.ReverseProxy.Configuration;

namespace UserSvc.Edge.Configuration;

/// <summary>A section of the configuration and the type whose properties are its settings.</summary>
internal sealed record KnownSection(string Path, Type Type);

/// <summary>Section <c>ReverseProxy</c>, as YARP reads it.</summary>
internal sealed record ReverseProxySection(IReadOnlyDictionary<string, RouteConfig> Routes, IReadOnlyDictionary<string, ClusterConfig> Clusters);

/// <summary>Section <c>Kestrel</c>, as Kestrel reads it: partly by binding, partly by hand into types of its own.</summary>
internal sealed record KestrelSection(
    bool AddServerHeader,
    bool AllowAlternateSchemes,
    bool AllowHostHeaderOverride,
    bool AllowResponseHeaderCompression,
    bool AllowSynchronousIO,
    bool DisableStringReuse,
    KestrelServerLimits Limits,
    EndpointDefaults EndpointDefaults,
    IReadOnlyDictionary<string, EndpointSection> Endpoints,
    IReadOnlyDictionary<string, CertificateSection> Certificates);

internal sealed record EndpointDefaults(HttpProtocols Protocols, SslProtocols SslProtocols, ClientCertificateMode ClientCertificateMode);

internal sealed record EndpointSection(
    string Url,
    HttpProtocols Protocols,
    SslProtocols SslProtocols,
    ClientCertificateMode ClientCertificateMode,
    CertificateSection Certificate,
    IReadOnlyDictionary<string, SniSection> Sni);

internal sealed record SniSection(HttpProtocols Protocols, SslProtocols SslProtocols, ClientCertificateMode ClientCertificateMode, CertificateSection Certificate);

internal sealed record CertificateSection(string Path, string KeyPath, string Password, string Subject, string Store, string Location, bool AllowInvalid);
