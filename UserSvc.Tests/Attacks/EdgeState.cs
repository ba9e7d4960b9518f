namespace UserSvc.Tests.Attacks;

/// <summary>
/// What clients hold at the edge: sockets as the kernel counts them, connections and requests as the edge counts them, and ejected instances.
/// </summary>
internal sealed record EdgeState(int Sockets, double Connections, double Requests, double Attempts, double Ejected, bool Ready)
{
    /// <summary>Without clients.</summary>
    public static readonly EdgeState AtRest = new(0, 0, 0, 0, 0, true);

    public static async Task<EdgeState> ReadAsync(AttackTarget target)
    {
        var stats = await target.ReadStatsAsync();
        return new(
            LinuxProcess.Connections(target.Http.Port, target.Https.Port, target.Admin.Port),
            stats["http.http.downstream_cx_active"] + stats["http.https.downstream_cx_active"],
            stats["http.http.downstream_rq_active"] + stats["http.https.downstream_rq_active"],
            stats["cluster.usersvc.upstream_rq_active"],
            stats["cluster.usersvc.outlier_detection.ejections_active"],
            await target.Proxy.Process.IsReadyAsync());
    }
}
