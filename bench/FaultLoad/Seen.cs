using UserSvc.Tests.Chaos;

namespace FaultLoad;

/// <summary>
/// One fault's figures: percentiles in ms, before the fault and in the <see cref="Window"/> after it, and seconds from the fault to the end of the
/// last read that failed or took over 250 ms.
/// </summary>
internal sealed record Seen(int Gets, int FailedGets, int Puts, int FailedPuts, (double P50, double P99) Before, (double P50, double P99) During, double Recovered)
{
    // The same for every proxy, however long it takes to recover.
    private static readonly TimeSpan Window = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan Long = TimeSpan.FromMilliseconds(250);

    public static Seen From(LoadReport report) => new(
        report.Gets.Length, report.Gets.Count(g => g.Failed), report.Puts.Length, report.Puts.Count(p => p.Failed),
        Percentiles(report.Gets.Where(g => g.End < report.From)), Percentiles(report.Gets.Where(g => g.End >= report.From && g.At <= report.From + Window)),
        report.GetsDuring.Where(g => g.Failed || g.Took > Long).Select(g => (g.End - report.From).TotalSeconds).DefaultIfEmpty().Max());

    private static (double P50, double P99) Percentiles(IEnumerable<Outcome> reads)
    {
        double[] sorted = [.. reads.Select(r => r.Took.TotalMilliseconds).Order()];
        return (sorted[sorted.Length / 2], sorted[(int)((sorted.Length - 1) * 0.99)]);
    }
}
