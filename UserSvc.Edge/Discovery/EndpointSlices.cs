using System.Globalization;
using System.Net;
using k8s.Models;

namespace UserSvc.Edge.Discovery;

/// <summary>
/// From a Service's EndpointSlices (discovery.k8s.io/v1) to the endpoints to route to: the ready ones and, when there is none, those
/// that terminate but still serve, as kube-proxy does (KEP-1669).
/// </summary>
/// <remarks>
/// An unset condition reads as the API says: ready when <c>ready</c> is unset, as <c>ready</c> when <c>serving</c> is, not terminating
/// when <c>terminating</c> is. Of an endpoint's addresses, which are fungible, the first is taken. An endpoint may be in two slices while
/// it moves, and in one of each family when the Service has two: one pod is one endpoint, on IPv4 where it has that.
/// </remarks>
internal static class EndpointSlices
{
    private const string Fqdn = "FQDN";

    /// <param name="slices">All of the Service's. Those of type FQDN are left out: their addresses are names.</param>
    /// <param name="port">The port's name; empty: the only port.</param>
    /// <exception cref="FormatException">The slices are not what the API promises, or have no such port.</exception>
    public static IReadOnlyList<DiscoveredEndpoint> Read(IReadOnlyCollection<V1EndpointSlice> slices, string port)
    {
        var candidates = (
            from slice in slices
            where slice.AddressType != Fqdn && slice.Endpoints is { Count: > 0 }
            orderby slice.AddressType, slice.Name()
            let number = Port(slice, port)
            where number is not null
            from endpoint in slice.Endpoints
            select (Endpoint: Endpoint(endpoint, number.Value), Conditions(endpoint).Ready, Conditions(endpoint).Serving)).ToList();
        if (candidates.Count == 0 && slices.Any(s => s.Endpoints is { Count: > 0 } && s.AddressType != Fqdn))
        {
            var ports = slices.SelectMany(s => s.Ports ?? []).Select(p => p.Name ?? "").Distinct().Order();
            throw new FormatException($"no EndpointSlice has the port {(port.Length > 0 ? port : "(the only one)")}, but: {string.Join(", ", ports)}");
        }

        var ready = candidates.Where(c => c.Ready).ToList();
        return [.. (ready is [] ? candidates.Where(c => c.Serving) : ready).Select(c => c.Endpoint).DistinctBy(e => e.Key)];
    }

    // A port is as the slice's owner made it: no port at all means any, which is none to route to.
    private static int? Port(V1EndpointSlice slice, string name) => (slice.Ports ?? []).Where(p => p.Protocol is null or "TCP").ToList() switch
    {
        [var only] when name.Length == 0 => only.Port,
        var ports => name.Length == 0 ? ports.SingleOrDefault(p => string.IsNullOrEmpty(p.Name))?.Port : ports.FirstOrDefault(p => p.Name == name)?.Port,
    };

    private static DiscoveredEndpoint Endpoint(V1Endpoint endpoint, int port) =>
        endpoint.Addresses is [var first, ..] && IPAddress.TryParse(first, out var ip) && port is > 0 and <= IPEndPoint.MaxPort
            ? new(endpoint.TargetRef?.Uid is { Length: > 0 } uid ? uid : new IPEndPoint(ip, port).ToString(), new(ip, port))
            : throw new FormatException(
                string.Create(CultureInfo.InvariantCulture, $"an EndpointSlice has an endpoint that is no IP address and port: {endpoint.Addresses?.FirstOrDefault()} {port}"));

    // A Service that publishes what is not ready calls terminating endpoints ready too.
    private static (bool Ready, bool Serving) Conditions(V1Endpoint endpoint)
    {
        var ready = endpoint.Conditions?.Ready ?? true;
        var terminating = endpoint.Conditions?.Terminating ?? false;
        return (ready && !terminating, terminating && (endpoint.Conditions?.Serving ?? ready));
    }
}
