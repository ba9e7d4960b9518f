using Microsoft.Extensions.Diagnostics.HealthChecks;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Listeners;

/// <summary>The state of the edge as a whole. <paramref name="State"/> is Envoy's name; <paramref name="Reason"/> is null when it is ready.</summary>
internal sealed record ServerStatus(string State, bool Ready, string? Reason)
{
    /// <summary>Envoy's number of the state.</summary>
    public int Number => State switch { "LIVE" => 0, "DRAINING" => 1, _ => 2 };
}

/// <summary>What the edge reports about itself, and the operator's switch that makes it unready.</summary>
internal sealed class ServerState(HealthCheckService checks, Drain drain, OpenListeners listeners, TimeProvider time)
{
    private readonly long _started = time.GetTimestamp();

    /// <summary>Set by POST /healthcheck/fail, cleared by /healthcheck/ok.</summary>
    public bool HealthCheckFailed { get; set; }

    /// <summary>Why an operator took the edge out of service; null while it is in service.</summary>
    public string? TakenOut => HealthCheckFailed ? "failed by POST /healthcheck/fail" : listeners.Draining ? "the listeners are drained" : null;

    public TimeSpan Uptime => time.GetElapsedTime(_started);

    public async Task<ServerStatus> ReadAsync(CancellationToken cancellationToken)
    {
        var report = await checks.CheckHealthAsync(check => check.Tags.Contains(ServiceDefaultsExtensions.ReadyTag), cancellationToken);
        var reasons = report.Entries.Values.Where(e => e.Status == HealthStatus.Unhealthy).Select(e => e.Description).ToList();
        var draining = drain.Started || TakenOut is not null;
        return new(
            draining ? "DRAINING" : reasons is [] ? "LIVE" : "PRE_INITIALIZING",
            reasons is [],
            reasons is [] ? null : string.Join("; ", reasons));
    }
}

internal sealed class OperatorHealthCheck(ServerState state) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default) =>
        Task.FromResult(state.TakenOut is { } reason ? HealthCheckResult.Unhealthy(reason) : HealthCheckResult.Healthy());
}
