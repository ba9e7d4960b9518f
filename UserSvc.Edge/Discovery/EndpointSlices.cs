using System.Globalization;
using System.Net;
using k8s.Models;

namespace UserSvc.Edge.Discovery;

/// <summary>
/// Turns a Service's EndpointSlices (discovery.k8s.io/v1) into the endpoints to route to: the ready ones or, if none is ready, those that
/// terminate but still serve, as kube-proxy does (KEP-1669).
/// </summary>
/// <remarks>
/// Unset conditions have the API's defaults: <c>ready</c> true, <c>serving</c> as <c>ready</c>, <c>terminating</c> false. An endpoint's
/// addresses are interchangeable; the first is used. An endpoint can be in two slices while it moves between them, and in one per address
/// family on a dual-stack Service: one pod is still one endpoint, on IPv4 if it has both.
/// </remarks>
internal static class EndpointSlices
{
    private const string Fqdn = "FQDN";

    /// <param name="slices">All slices of the Service. Slices of type FQDN are ignored: their addresses are names.</param>
    /// <param name="port">The port's name; empty for the only port.</param>
    /// <exception cref="FormatException">The slices break the API's rules or do not have the port.</exception>
    public static IReadOnlyList<DiscoveredEndpoint> ToEndpoints(IReadOnlyCollection<V1EndpointSlice> slices, string port)
    {
        var candidates = (
            from slice in slices
            where slice.AddressType != Fqdn && slice.Endpoints is { Count: > 0 }
            orderby slice.AddressType, slice.Name()
            let number = GetPort(slice, port)
            where number is not null
            from endpoint in slice.Endpoints
            let conditions = GetConditions(endpoint)
            select (Endpoint: ToEndpoint(endpoint, number.Value), conditions.Ready, conditions.Serving)).ToList();
        if (candidates.Count == 0 && slices.Any(s => s.Endpoints is { Count: > 0 } && s.AddressType != Fqdn))
        {
            var ports = slices.SelectMany(s => s.Ports ?? []).Select(p => p.Name ?? "").Distinct().Order();
            var fault = port.Length > 0 ? $"no EndpointSlice has the port {port}" : "no EndpointSlice has a single port";
            throw new FormatException($"{fault}; name one of: {string.Join(", ", ports)}");
        }

        var ready = candidates.Where(c => c.Ready).ToList();
        return [.. (ready is [] ? candidates.Where(c => c.Serving) : ready).Select(c => c.Endpoint).DistinctBy(e => e.Key)];
    }

    // Without a name: the only TCP port, or else the unnamed one. A slice without ports allows any port, so there is none to route to.
    private static int? GetPort(V1EndpointSlice slice, string name) => (slice.Ports ?? []).Where(p => p.Protocol is null or "TCP").ToList() switch
    {
        [var only] when name.Length == 0 => only.Port,
        var ports => name.Length == 0 ? ports.SingleOrDefault(p => string.IsNullOrEmpty(p.Name))?.Port : ports.FirstOrDefault(p => p.Name == name)?.Port,
    };

    private static DiscoveredEndpoint ToEndpoint(V1Endpoint endpoint, int port) =>
        endpoint.Addresses is [var first, ..] && IPAddress.TryParse(first, out var ip) && port is > 0 and <= IPEndPoint.MaxPort
            ? new(endpoint.TargetRef?.Uid is { Length: > 0 } uid ? uid : new IPEndPoint(ip, port).ToString(), new(ip, port))
            : throw new FormatException(
                string.Create(CultureInfo.InvariantCulture, $"an EndpointSlice has an endpoint that is not an IP address and port: {endpoint.Addresses?.FirstOrDefault()} {port}"));

    // A Service with publishNotReadyAddresses reports terminating endpoints as ready, too.
    private static (bool Ready, bool Serving) GetConditions(V1Endpoint endpoint)
    {
        var ready = endpoint.Conditions?.Ready ?? true;
        var terminating = endpoint.Conditions?.Terminating ?? false;
        return (ready && !terminating, terminating && (endpoint.Conditions?.Serving ?? ready));
    }
}
