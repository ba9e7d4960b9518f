using System.Net;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Http.HttpResults;
using Yarp.ReverseProxy;

namespace UserSvc.Edge.Discovery;

/// <summary>Serves the destinations of this edge in the protocol <c>sds+http</c> reads, so that one edge can feed others.</summary>
internal static partial class RegistrationEndpoint
{
    public static void MapRegistration(this IEndpointRouteBuilder endpoints) =>
        endpoints.MapGet("/v1/registration/{service}", Get).WithName("Registration").WithSummary("The hosts of a cluster");

    public static bool IsServiceName(string name) => ServiceName().IsMatch(name);

    /// <summary>
    /// The hosts of the cluster with that name, healthy or not: each reader checks health itself. A destination whose host is a name is left
    /// out: it has no address until a connection is made.
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
            let ip = GetAddress(address)?.ToString()
            where ip is not null
            orderby ip, address.Port
            select new RegisteredHost(ip, address.Port, new JsonObject());
        return TypedResults.Json(new RegistrationAnswer([.. hosts]), RegistrationJson.Default.RegistrationAnswer);
    }

    private static IPAddress? GetAddress(Uri destination) =>
        destination.HostNameType is UriHostNameType.IPv4 or UriHostNameType.IPv6 ? IPAddress.Parse(destination.Host)
        // Always loopback (RFC 6761, 6.3).
        : destination.Host == "localhost" ? IPAddress.Loopback
        : null;

    [GeneratedRegex(@"\A[A-Za-z0-9._-]{1,63}\z")]
    private static partial Regex ServiceName();
}

/// <summary><c>{"hosts":[{"ip_address":"10.0.0.1","port":8080,"tags":{}}]}</c>, Envoy's SDS answer. Unknown members are ignored.</summary>
internal sealed record RegistrationAnswer(IReadOnlyList<RegisteredHost?>? Hosts);

/// <summary>Tags (zone, canary, weight) are optional and unused: YARP does not balance by them.</summary>
internal sealed record RegisteredHost([property: JsonPropertyName("ip_address")] string? IpAddress, int Port, JsonNode? Tags);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(RegistrationAnswer))]
internal sealed partial class RegistrationJson : JsonSerializerContext;
