using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace UserSvc.Edge.Discovery;

/// <summary><c>{"hosts":[{"ip_address":"10.0.0.1","port":8080,"tags":{}}]}</c>, Envoy's SDS answer. Members that are not known are ignored.</summary>
internal sealed record RegistrationAnswer(IReadOnlyList<RegisteredHost?>? Hosts);

/// <summary>Tags (zone, canary, weight) are optional and of no use here: nothing in YARP balances by them.</summary>
internal sealed record RegisteredHost([property: JsonPropertyName("ip_address")] string? IpAddress, int Port, JsonNode? Tags);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(RegistrationAnswer))]
internal sealed partial class RegistrationJson : JsonSerializerContext;
