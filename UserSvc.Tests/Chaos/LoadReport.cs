namespace UserSvc.Tests.Chaos;

/// <summary>What a load saw. The fault's window includes every request in flight during it.</summary>
internal sealed record LoadReport(Outcome[] Gets, Outcome[] Puts, Outcome[] Verifications, TimeSpan From, TimeSpan To)
{
    public IEnumerable<Outcome> GetsDuring => Gets.Where(g => g.End >= From && g.At <= To);

    /// <summary>Failures by result, with their number and times.</summary>
    public string[] FailedGets => Failures(Gets);

    public string[] FailedPuts => Failures(Puts);

    public string[] FailedVerifications => Failures(Verifications);

    /// <summary>The instances that answered reads that started after the fault.</summary>
    public string[] AnsweredAfter => [.. Gets.Where(g => !g.Failed && g.At > To).Select(g => g.Hostname!).Distinct().Order()];

    public override string ToString() => string.Join('\n',
    [
        $"fault from {From.TotalSeconds:0.00} to {To.TotalSeconds:0.00} s",
        $"GETs: {Gets.Length}, answered before it by {By(Gets.Where(g => g.End < From))}; during it by {By(GetsDuring)}; after it by {By(Gets.Where(g => g.At > To))}",
        $"PUTs: {Puts.Length}, answered by {By(Puts)}",
        .. FailedGets.Select(f => $"GET {f}"),
        .. FailedPuts.Select(f => $"PUT {f}"),
        .. FailedVerifications.Select(f => $"verification {f}"),
    ]);

    private static string By(IEnumerable<Outcome> outcomes) =>
        string.Join(", ", outcomes.Where(o => !o.Failed).CountBy(o => o.Hostname!).OrderBy(c => c.Key, StringComparer.Ordinal).Select(c => $"{c.Key} × {c.Value}"));

    private static string[] Failures(IEnumerable<Outcome> outcomes) =>
    [
        .. outcomes.Where(o => o.Failed).GroupBy(o => o.Result)
            .Select(r => $"{r.Key} × {r.Count()} from {r.Min(o => o.At).TotalSeconds:0.00} to {r.Max(o => o.End).TotalSeconds:0.00} s, the longest {r.Max(o => o.Took).TotalMilliseconds:0} ms")
            .Order(),
    ];
}
