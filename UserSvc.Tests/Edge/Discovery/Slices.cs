using System.Text.Json.Nodes;

namespace UserSvc.Tests.Edge.Discovery;

/// <summary>Short EndpointSlices.</summary>
internal static class Slices
{
    /// <summary>A slice of ready pods, each with the uid <c>{name}-uid</c> and an IPv4 address, on the port <c>http</c>.</summary>
    public static JsonObject Create(int port, params IEnumerable<(string Pod, string Ip)> pods) => new()
    {
        ["addressType"] = "IPv4",
        ["endpoints"] = new JsonArray([.. pods.Select(p => new JsonObject
        {
            ["addresses"] = new JsonArray(p.Ip),
            ["conditions"] = new JsonObject { ["ready"] = true, ["serving"] = true, ["terminating"] = false },
            ["nodeName"] = "node-1",
            ["targetRef"] = new JsonObject { ["kind"] = "Pod", ["name"] = p.Pod, ["namespace"] = "users", ["uid"] = $"{p.Pod}-uid" },
        })]),
        ["ports"] = new JsonArray(new JsonObject { ["name"] = "http", ["port"] = port, ["protocol"] = "TCP" }),
    };
}
