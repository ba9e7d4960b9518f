using Microsoft.Extensions.Primitives;
using UserSvc.Edge.Configuration;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Appends this proxy to <c>Via</c> of what it forwards, in both directions (RFC 9110, 7.6.3): the version it was received in and the
/// service's name, such as <c>1.1 edge</c>.
/// </summary>
internal sealed class Via(IConfiguration configuration)
{
    // Made once: a request allocates nothing for it.
    private readonly string _http10 = $"1.0 {configuration.ServiceName()}";
    private readonly string _http11 = $"1.1 {configuration.ServiceName()}";
    private readonly string _http2 = $"2 {configuration.ServiceName()}";

    public void Append(IHeaderDictionary headers, string protocol) =>
        Add(headers, HttpProtocol.IsHttp11(protocol) ? _http11 : HttpProtocol.IsHttp2(protocol) ? _http2 : _http10);

    public void Append(IHeaderDictionary headers, Version version) =>
        Add(headers, version.Major > 1 ? _http2 : version.Minor > 0 ? _http11 : _http10);

    private static void Add(IHeaderDictionary headers, string hop) => headers.Via = StringValues.Concat(headers.Via, hop);
}
