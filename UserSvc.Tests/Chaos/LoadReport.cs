namespace UserSvc.Tests.Chaos;

/// <summary>What a load saw. The fault's window holds every request that was under way in it.</summary>
internal sealed class LoadReport(Outcome[] gets, Outcome[] puts, TimeSpan from, TimeSpan to)
{
    private const string Header =
        """
        | scenario | fault, s | GETs | failed | p50, ms | p99, ms | max, ms | p99 before, in the fault, ms | PUTs acknowledged | failed | answered before, during, after |
        | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
        """;

    private readonly Outcome[] _during = [.. gets.Where(g => g.End >= from && g.At <= to)];

    /// <summary>By what they got, with how many and when.</summary>
    public string[] FailedGets => Failures(gets);

    public string[] FailedPuts => Failures(puts);

    /// <summary>Of every failed read, its result once.</summary>
    public string[] GetFailures => [.. gets.Where(g => g.Failed).Select(g => g.Result).Distinct()];

    /// <summary>The longest time a failed read took.</summary>
    public TimeSpan LongestFailedGet => gets.Where(g => g.Failed).Select(g => g.Took).DefaultIfEmpty().Max();

    /// <summary>0 to 1.</summary>
    public double PutFailureRate => puts.Count(p => p.Failed) / (double)puts.Length;

    public TimeSpan P99Before => Percentile(gets.Where(g => g.End < from), 0.99);

    public TimeSpan P99During => Percentile(_during, 0.99);

    /// <summary>The instances that answered reads in the fault's window.</summary>
    public string[] AnsweredDuring => [.. _during.Where(g => !g.Failed).Select(g => g.Hostname!).Distinct().Order()];

    /// <summary>The instances that answered reads begun after the fault.</summary>
    public string[] AnsweredAfter => [.. gets.Where(g => !g.Failed && g.At > to).Select(g => g.Hostname!).Distinct().Order()];

    /// <summary>Writes the report to the test's output and to <c>.local/chaos/SCENARIO.md</c>.</summary>
    public void Publish(string scenario)
    {
        string[] answered = [By(gets.Where(g => g.End < from)), By(_during), By(gets.Where(g => g.At > to))];
        string[] cells =
        [
            scenario, $"{(to - from).TotalSeconds:0.0}", $"{gets.Length}", $"{gets.Count(g => g.Failed)}", Ms(Percentile(gets, 0.5)), Ms(Percentile(gets, 0.99)),
            Ms(gets.Max(g => g.Took)), $"{Ms(P99Before)}, {Ms(P99During)}", $"{puts.Count(p => !p.Failed)}", $"{puts.Count(p => p.Failed)}", string.Join("; ", answered),
        ];
        string[] failures = [.. FailedGets.Select(f => $"- GET {f}"), .. FailedPuts.Select(f => $"- PUT {f}")];
        var text = $"{Header}\n| {string.Join(" | ", cells)} |\n\n{string.Join('\n', failures)}\n";
        TestContext.Current.TestOutputHelper!.WriteLine(text);
        File.WriteAllText(Path.Combine(ChaosSystem.Results, $"{scenario}.md"), text);
    }

    private static string By(IEnumerable<Outcome> outcomes) =>
        string.Join(", ", outcomes.Where(o => !o.Failed).CountBy(o => o.Hostname!).OrderBy(c => c.Key, StringComparer.Ordinal).Select(c => $"{c.Key[^1..]}: {c.Value}"));

    private static string[] Failures(IEnumerable<Outcome> outcomes) =>
    [
        .. outcomes.Where(o => o.Failed).GroupBy(o => o.Result)
            .Select(r => $"{r.Key} × {r.Count()} from {r.Min(o => o.At).TotalSeconds:0.00} to {r.Max(o => o.End).TotalSeconds:0.00} s, the longest {Ms(r.Max(o => o.Took))} ms")
            .Order(),
    ];

    private static TimeSpan Percentile(IEnumerable<Outcome> outcomes, double share)
    {
        TimeSpan[] sorted = [.. outcomes.Select(o => o.Took).Order()];
        return sorted[(int)((sorted.Length - 1) * share)];
    }

    private static string Ms(TimeSpan time) => $"{time.TotalMilliseconds:0.0}";
}
