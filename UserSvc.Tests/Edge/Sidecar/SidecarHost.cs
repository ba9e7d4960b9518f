namespace UserSvc.Tests.Edge.Sidecar;

/// <summary>The edge as a sidecar by its own appsettings.Sidecar.json, before one upstream; it trusts proxies on this machine.</summary>
internal static class SidecarHost
{
    public const string Destination = "ReverseProxy:Clusters:usersvc:Destinations:local:Address";

    public static readonly (string Key, string Value)[] Settings =
        [("Edge:Mode", "Sidecar"), ("Edge:TrustedProxies:0", "127.0.0.1"), ("Instance:Name", "usersvc-1-sidecar"), ($"{EdgeHost.Probing}:Interval", "00:00:00.100")];

    public static async Task<EdgeHost> ReadyAsync(string instance, params IEnumerable<(string Key, string Value)> settings)
    {
        var sidecar = await EdgeHost.StartAsync([("local", instance)], [.. Settings, .. settings]);
        await Eventually.HoldsAsync(async () => (await sidecar.Health.AskAsync("/ready")).Status == 200);
        return sidecar;
    }

    public static Answer Problem(int status, string code, string error) =>
        new(status, EdgeAnswers.Problem(status, code, error).Body.Replace("edge-1", "usersvc-1-sidecar", StringComparison.Ordinal));
}
