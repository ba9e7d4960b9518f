using System.Globalization;
using System.Reflection;
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

    internal static async Task<IResult> GetInfo(ServerState server, Instance instance, CancellationToken cancellationToken)
    {
        var status = await server.ReadAsync(cancellationToken);
        var uptime = string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(server.Uptime.TotalSeconds)}s");
        return TypedResults.Json(new ServerInfo($"UserSvc.Edge/{Version}", status.State, uptime, uptime, "disabled", new(instance.Name)), ClustersJson.Default.ServerInfo);
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

internal sealed record ServerInfo(string Version, string State, string UptimeCurrentEpoch, string UptimeAllEpochs, string HotRestartVersion, ServerNode Node);

internal sealed record ServerNode(string Id);
