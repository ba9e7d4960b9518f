using System.Text.Json.Nodes;
using UserSvc.ServiceDefaults;
using Yarp.ReverseProxy;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Admin;

/// <summary>
/// The running configuration and the discovered destinations, without secrets. The frame is Envoy's, <c>{"configs":[…]}</c>; its content is
/// not.
/// </summary>
internal static class ConfigDumpEndpoint
{
    internal static IResult Get(HttpRequest request, IConfiguration configuration, KnownSettings settings, IProxyStateLookup proxy)
    {
        if (request.Query["format"].ToString() is not ("" or "json") and var other)
        {
            return AdminAnswers.UnknownFormat(other, "json");
        }

        var sections = settings.Roots.Append("Logging").Order(StringComparer.Ordinal)
            .Select(name => new JsonObject { ["name"] = name, ["config"] = Read(configuration.GetSection(name)) });
        var destinations = new JsonObject
        {
            ["name"] = "Destinations",
            ["config"] = new JsonObject(proxy.GetClusters().OrderBy(c => c.ClusterId, StringComparer.Ordinal).Select(Read)),
        };
        return AdminAnswers.Json(new() { ["configs"] = new JsonArray([.. sections, destinations]) });
    }

    private static KeyValuePair<string, JsonNode?> Read(ClusterState cluster) => new(
        cluster.ClusterId,
        new JsonObject(cluster.DestinationsState.AllDestinations.OrderBy(d => d.DestinationId, StringComparer.Ordinal).Select(Read)));

    private static KeyValuePair<string, JsonNode?> Read(DestinationState destination) => new(
        destination.DestinationId,
        new JsonObject { ["Address"] = Redactor.RedactAddress(destination.Model.Config.Address), ["Host"] = destination.Model.Config.Host });

    private static JsonNode? Read(IConfigurationSection section)
    {
        var children = section.GetChildren().ToList();
        return children.Count == 0
            ? Redactor.Redact(section.Path, section.Value)
            : new JsonObject(children.Select(child => KeyValuePair.Create(child.Key, Read(child))));
    }
}
