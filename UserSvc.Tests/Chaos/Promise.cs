namespace UserSvc.Tests.Chaos;

/// <summary>What holds in every scenario.</summary>
internal static class Promise
{
    // A try of a read may take 1 s as the edge is shipped; the rest is for the one that follows it.
    private static readonly TimeSpan LongestP99 = TimeSpan.FromMilliseconds(1_250);

    /// <summary>Reads stayed quick, less than 1% of the writes failed, and every acknowledged user is there, once and as it was answered.</summary>
    public static async Task HoldsAsync(ChaosSystem system, Load load, LoadReport report)
    {
        Assert.True(report.P99During <= LongestP99, $"The p99 of reads in the fault was {report.P99During}.");
        Assert.True(report.PutFailureRate < 0.01, $"{report.PutFailureRate:P} of the writes failed: {string.Join("; ", report.FailedPuts)}");
        var kept = await Sql.ColumnAsync(system.Database, "SELECT username || ' ' || upper(replace(uuid::text, '-', '')) FROM users ORDER BY 1");
        Assert.Equal(
            load.Acknowledged.Select(a => $"{a.Key} {a.Value.Uuid}").Order(StringComparer.Ordinal),
            kept.Where(k => load.Acknowledged.ContainsKey(k[..k.IndexOf(' ', StringComparison.Ordinal)])).Order(StringComparer.Ordinal));
        var notRead = await load.NotReadAsync();
        Assert.Equal([], notRead);
    }
}
