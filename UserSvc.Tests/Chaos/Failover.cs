namespace UserSvc.Tests.Chaos;

/// <summary>
/// Two instances under traffic, connected to a primary and its synchronous standby. The primary goes away, and the standby is promoted. Tests and
/// <c>bench/faults.sh</c> share it.
/// </summary>
internal sealed class Failover : IAsyncDisposable
{
    private readonly TcpRelay _network;
    private readonly List<ApiInstance> _instances = [];

    private Failover(ReplicatedPostgres postgres)
    {
        Postgres = postgres;
        _network = new(postgres.First.Port);
    }

    public ReplicatedPostgres Postgres { get; }

    public FailoverTraffic Traffic { get; private set; } = null!;

    /// <summary>When the promotion was done, on the traffic's clock.</summary>
    public TimeSpan Promoted { get; private set; }

    public static Task<Failover> AfterPrimaryKilledAsync() => RunAsync("primary", failover => failover.Postgres.First.CrashAsync());

    /// <summary>A machine that is gone: nothing is refused, nothing is answered.</summary>
    public static Task<Failover> AfterPrimaryVanishedAsync() => RunAsync("primary", failover => failover._network.VanishAsync());

    public static Task<Failover> AfterPrimaryMadeReadOnlyAsync() => RunAsync(
        "read-write", failover => ReplicatedPostgres.ExecuteAsync(failover.Postgres.First, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()"));

    public async ValueTask DisposeAsync()
    {
        if (Traffic is not null)
        {
            await Traffic.DisposeAsync();
        }

        foreach (var instance in _instances)
        {
            await instance.DisposeAsync();
        }

        await _network.DisposeAsync();
        await Postgres.DisposeAsync();
    }

    private static async Task<Failover> RunAsync(string target, Func<Failover, Task> fault)
    {
        var failover = new Failover(await ReplicatedPostgres.StartAsync());
        try
        {
            failover.Traffic = new(await failover.InstanceAsync(target), await failover.InstanceAsync(target));
            await failover.Traffic.GoesOnAsync();
            await fault(failover);
            await failover.Traffic.IsRefusedAsync();
            await failover.Postgres.PromoteAsync();
            failover.Promoted = failover.Traffic.Now;
            await failover.Traffic.GoesOnAsync();
            return failover;
        }
        catch
        {
            await failover.DisposeAsync();
            throw;
        }
    }

    // Cheap passwords, as two cores carry all of it.
    private Task<HttpClient> InstanceAsync(string target)
    {
        _instances.Add(new(Postgres.ConnectionString(target, _network.Port), ("Passwords:MemoryKiB", "8192"), ("Passwords:Passes", "1")));
        return _instances[^1].ReadyAsync();
    }
}
