using System.Diagnostics;
using UserSvc.Edge.Statistics;

namespace UserSvc.Tests.Edge.Admin;

public sealed class LatencyHistogramTests
{
    private static readonly long PerMillisecond = Stopwatch.Frequency / 1_000;

    [Theory]
    [InlineData(0.50)]
    [InlineData(0.90)]
    [InlineData(0.99)]
    [InlineData(0.999)]
    public void Percentile_OfManyDurations_IsWithinATenthOfTheExactOne(double share)
    {
        // From 20 µs to 20 s, equally many in each power of ten.
        var random = new Random(1);
        var durations = Enumerable.Range(0, 100_000).Select(_ => (long)(PerMillisecond * 0.02 * Math.Pow(10, 6 * random.NextDouble()))).Order().ToList();
        var histogram = new LatencyHistogram();
        durations.ForEach(histogram.Record);
        var exact = (double)durations[(int)(share * durations.Count)] / PerMillisecond;

        var percentile = histogram.Read().Percentile(share);

        Assert.InRange(percentile!.Value, exact * 0.9, exact * 1.1);
    }

    [Theory]
    [InlineData(0.5)]
    [InlineData(1)]
    [InlineData(25)]
    [InlineData(250)]
    [InlineData(2_500)]
    [InlineData(3_600_000)]
    public void Duration_OfABoundExactly_CountsAsUpToIt(double bound)
    {
        var histogram = new LatencyHistogram();
        histogram.Record((long)(bound * PerMillisecond));
        histogram.Record((long)(bound * PerMillisecond) + 1);

        Assert.Equal(1, histogram.Read().CountUpTo(bound));
    }

    [Theory]
    [InlineData(-1, 0.0011)]
    [InlineData(0, 0.0011)]
    [InlineData(long.MaxValue, 10_000_000)]
    public void Duration_OutOfRange_CountsInTheOutermostBucket(long elapsed, double upperBound)
    {
        var histogram = new LatencyHistogram();

        histogram.Record(elapsed);

        Assert.Equal(upperBound, histogram.Read().Percentile(1)!.Value, upperBound / 1_000_000);
    }

    [Fact]
    public void Difference_OfTwoSnapshots_IsWhatCameBetween()
    {
        var histogram = new LatencyHistogram();
        histogram.Record(5 * PerMillisecond);
        var before = histogram.Read();
        histogram.Record(100 * PerMillisecond);
        histogram.Record(100 * PerMillisecond);

        var between = histogram.Read().Since(before);

        Assert.Equal((2, 200.0, 100.0), (between.Count, between.Sum, between.Percentile(1)));
    }

    [Fact]
    public void Snapshot_OfNothing_HasNoPercentile() => Assert.Null(new LatencyHistogram().Read().Percentile(0.5));

    [Fact]
    public void Records_OfManyThreads_AreAllCounted()
    {
        var histogram = new LatencyHistogram();

        Parallel.For(0, 100_000, i => histogram.Record(i % 100 * PerMillisecond));

        var snapshot = histogram.Read();
        Assert.Equal((100_000, 100_000 / 100 * 4_950.0), (snapshot.Count, snapshot.Sum));
    }
}
