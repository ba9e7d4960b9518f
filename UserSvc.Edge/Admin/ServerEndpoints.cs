using System.Globalization;
using System.Reflection;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http.HttpResults;
using UserSvc.Edge.Listeners;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Admin;

/// <summary>The edge's version and state, and the switches that take it in and out of service.</summary>
internal static class ServerEndpoints
{
    public static string Version { get; } =
        typeof(ServerEndpoints).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    internal static async Task<ContentHttpResult> GetReady(ServerState server, CancellationToken cancellationToken)
    {
        var status = await server.ReadAsync(cancellationToken);
        return TypedResults.Text($"{status.State}\n", statusCode: status.Ready ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable);
    }

    internal static async Task<ContentHttpResult> GetInfo(ServerState server, Instance instance, CancellationToken cancellationToken)
    {
        var status = await server.ReadAsync(cancellationToken);
        var uptime = string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(server.Uptime.TotalSeconds)}s");
        return AdminAnswers.Json(new()
        {
            ["version"] = $"UserSvc.Edge/{Version}",
            ["state"] = status.State,
            ["uptime_current_epoch"] = uptime,
            ["uptime_all_epochs"] = uptime,
            ["hot_restart_version"] = "disabled",
            ["node"] = new JsonObject { ["id"] = instance.Name },
        });
    }

    internal static ContentHttpResult PostHealthCheckFail(ServerState server) => Switch(server, failed: true);

    internal static ContentHttpResult PostHealthCheckOk(ServerState server) => Switch(server, failed: false);

    internal static async Task<ContentHttpResult> PostDrainListeners(HttpRequest request, OpenListeners listeners)
    {
        await listeners.DrainAsync(graceful: request.Query.ContainsKey("graceful"));
        return TypedResults.Text("OK\n");
    }

    private static ContentHttpResult Switch(ServerState server, bool failed)
    {
        server.HealthCheckFailed = failed;
        return TypedResults.Text("OK\n");
    }
}
