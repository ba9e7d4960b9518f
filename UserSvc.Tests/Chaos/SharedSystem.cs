namespace UserSvc.Tests.Chaos;

/// <summary>One system for all scenarios, each of which leaves it as it was. A failed scenario discards it, so the next one starts fresh.</summary>
public sealed class SharedSystem : IAsyncDisposable
{
    private ChaosSystem? _system;

    // Cheap hashes, because two cores run the system and its load.
    internal async Task<ChaosSystem> GetAsync() =>
        _system ??= await ChaosSystem.StartAsync(ProductTime.Widened, [("Passwords:MemoryKiB", "8192"), ("Passwords:Passes", "1")]);

    /// <summary>
    /// Runs a fault under load and checks that every acknowledged user is still there, once and unchanged. On failure, prints what clients saw,
    /// the edge's counters and the last log lines of edge and instances.
    /// </summary>
    internal async Task RunAsync(Func<ChaosSystem, Load, Task> fault, Action<LoadReport> judge, Proxy? edge = null, Func<Uri>? address = null)
    {
        var system = await GetAsync();
        edge ??= system.Edge;
        await using var load = new Load(address ?? (() => edge.Address));
        try
        {
            await load.StartAsync();
            var report = await load.DuringAsync(() => fault(system, load));
            judge(report);
            await KeepsEveryUserAsync(system, load);
        }
        catch
        {
            TestContext.Current.TestOutputHelper!.WriteLine($"{load.Report}\n\n{await system.DescribeAsync(edge)}");
            await DisposeAsync();
            throw;
        }
    }

    /// <summary>No read failed, and at most one write of each writer: the one in flight.</summary>
    internal static void IsHidden(LoadReport report)
    {
        Assert.Equal([], report.FailedGets);
        Assert.True(report.Puts.Count(p => p.Failed) <= Load.Writers, string.Join("; ", report.FailedPuts));
        Assert.Equal(ChaosSystem.All, report.AnsweredAfter);
    }

    public async ValueTask DisposeAsync()
    {
        if (_system is not null)
        {
            await _system.DisposeAsync();
            _system = null;
        }
    }

    private static async Task KeepsEveryUserAsync(ChaosSystem system, Load load)
    {
        var kept = await Sql.ColumnAsync(system.Database + ";Pooling=false", "SELECT username || ' ' || upper(replace(uuid::text, '-', '')) FROM users ORDER BY 1");
        Assert.Equal(
            load.Acknowledged.Select(a => $"{a.Key} {a.Value.Uuid}").Order(StringComparer.Ordinal),
            kept.Where(k => load.Acknowledged.ContainsKey(k[..k.IndexOf(' ', StringComparison.Ordinal)])).Order(StringComparer.Ordinal));
        var notRead = await load.NotReadAsync();
        Assert.Equal([], notRead);
    }
}
