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

    /// <summary>
    /// Whether a caller's sampled flag decides what is recorded of a trace. Default false: a stranger would decide it. A sidecar, whose
    /// only caller is an edge, has it true, as otherwise either would choose traces of its own.
    /// </summary>
    public bool TrustSampling { get; set; }

    /// <summary>The same, for what is composed before options are; what is neither true nor false the check of all settings refuses.</summary>
    public static bool TrustsSampling(IConfiguration configuration) =>
        bool.TryParse(configuration[$"{Section}:{nameof(TrustSampling)}"], out var trusts) && trusts;

    public static IPNetwork? Parse(string proxy) =>
        IPNetwork.TryParse(proxy, out var network) ? network
        : IPAddress.TryParse(proxy, out var address) ? new IPNetwork(address, address.GetAddressBytes().Length * 8)
        : null;
}
