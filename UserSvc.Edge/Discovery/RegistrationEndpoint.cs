using System.Net;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http.HttpResults;
using Yarp.ReverseProxy;

namespace UserSvc.Edge.Discovery;

/// <summary>Serves what this edge routes by in the protocol that <c>sds+http</c> reads, so that one edge can feed others.</summary>
internal static partial class RegistrationEndpoint
{
    public static void MapRegistration(this IEndpointRouteBuilder endpoints) =>
        endpoints.MapGet("/v1/registration/{service}", Get).WithName("Registration").WithSummary("The hosts of a cluster");

    public static bool IsServiceName(string name) => ServiceName().IsMatch(name);

    /// <summary>
    /// The hosts of the cluster of that name, healthy or not: each reader judges for itself. A destination whose host is a name is left
    /// out, as it has no address until a connection is made.
    /// </summary>
    internal static Results<JsonHttpResult<RegistrationAnswer>, ProblemHttpResult> Get(string service, IProxyStateLookup proxy)
    {
        if (!IsServiceName(service))
        {
            return TypedResults.Problem("A service's name is 1 to 63 letters, digits, dots, hyphens and underscores.", statusCode: StatusCodes.Status400BadRequest);
        }

        var hosts =
            from destination in proxy.TryGetCluster(service, out var cluster) ? cluster.DestinationsState.AllDestinations : []
            let address = new Uri(destination.Model.Config.Address)
            let ip = AddressOf(address)?.ToString()
            where ip is not null
            orderby ip, address.Port
            select new RegisteredHost(ip, address.Port, new JsonObject());
        return TypedResults.Json(new RegistrationAnswer([.. hosts]), RegistrationJson.Default.RegistrationAnswer);
    }

    private static IPAddress? AddressOf(Uri destination) =>
        destination.HostNameType is UriHostNameType.IPv4 or UriHostNameType.IPv6 ? IPAddress.Parse(destination.Host)
        // Never anything else (RFC 6761, 6.3).
        : destination.Host == "localhost" ? IPAddress.Loopback
        : null;

    [GeneratedRegex(@"\A[A-Za-z0-9._-]{1,63}\z")]
    private static partial Regex ServiceName();
}
