using System.Net;

namespace UserSvc.Edge.Forwarding;

/// <summary>Section <c>Edge</c>: what is believed of the client's way to here.</summary>
internal sealed class ClientOptions
{
    public const string Section = "Edge";

    /// <summary>
    /// Addresses (<c>10.1.2.3</c>) and networks (<c>10.0.0.0/8</c>, <c>fd00::/8</c>) of the proxies before this one. From them
    /// <c>X-Forwarded-For</c>, <c>-Proto</c>, <c>-Host</c> and <c>x-envoy-*</c> are believed; from anyone else they are removed. As shipped
    /// none: the edge faces the clients.
    /// </summary>
    public string[] TrustedProxies { get; set; } = [];

    public static IPNetwork? Parse(string proxy) =>
        IPNetwork.TryParse(proxy, out var network) ? network
        : IPAddress.TryParse(proxy, out var address) ? new IPNetwork(address, address.GetAddressBytes().Length * 8)
        : null;
}
