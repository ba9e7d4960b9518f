namespace UserSvc.Tests.Chaos;

/// <summary>
/// Two instances under traffic, connected to a primary and its synchronous standby. The primary fails, and the standby is promoted. Tests and
/// <c>bench/faults.sh</c> share this.
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

    /// <summary>The end of the promotion, on the traffic's clock.</summary>
    public TimeSpan Promoted { get; private set; }

    public static Task<Failover> AfterPrimaryKilledAsync() => RunAsync("primary", failover => failover.Postgres.First.CrashAsync());

    /// <summary>Like a machine that is gone: it refuses nothing and answers nothing.</summary>
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
            await failover.Traffic.WaitForAnswersAsync();
            await fault(failover);
            await failover.Traffic.WaitForRefusalsAsync();
            await failover.Postgres.PromoteAsync();
            failover.Promoted = failover.Traffic.Now;
            await failover.Traffic.WaitForAnswersAsync();
            return failover;
        }
        catch
        {
            await failover.DisposeAsync();
            throw;
        }
    }

    // Cheap hashes, because two cores run all of this.
    private Task<HttpClient> InstanceAsync(string target)
    {
        _instances.Add(new(Postgres.ConnectionString(target, _network.Port), ("Passwords:MemoryKiB", "8192"), ("Passwords:Passes", "1")));
        return _instances[^1].ReadyAsync();
    }
}
