using System.Diagnostics;

namespace UserSvc.Edge.Statistics;

/// <summary>
/// Counts durations in buckets of two significant decimal digits (1.0, 1.1, … 9.9 of each power of ten), from 1 µs to 10,000 s: 1 to 10%
/// apart and aligned with the bounds of Envoy's histograms. Recording costs two interlocked additions; memory is fixed, 7 KiB.
/// </summary>
internal sealed class LatencyHistogram
{
    private const int PerPower = 90;

    // Nanoseconds. The last bucket takes longer durations too.
    private const long Shortest = 1_000;
    private const long Longest = 10_000_000_000_000;

    private static readonly long[] Steps = [100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000, 100_000_000_000];

    private readonly long[] _counts = new long[Steps.Length * PerPower];
    private long _sum;

    /// <param name="elapsed">In ticks of <see cref="Stopwatch"/>.</param>
    public void Record(long elapsed)
    {
        var nanoseconds = Stopwatch.Frequency == 1_000_000_000 ? elapsed : (long)(elapsed * (1e9 / Stopwatch.Frequency));
        Interlocked.Increment(ref _counts[Bucket(nanoseconds)]);
        Interlocked.Add(ref _sum, nanoseconds);
    }

    public HistogramSnapshot Read()
    {
        var counts = new long[_counts.Length];
        for (var i = 0; i < counts.Length; i++)
        {
            counts[i] = Volatile.Read(ref _counts[i]);
        }

        return new(counts, Volatile.Read(ref _sum));
    }

    /// <summary>The longest duration that the bucket counts, in nanoseconds.</summary>
    public static long UpperBound(int bucket) => (bucket % PerPower + 11) * Steps[bucket / PerPower];

    /// <summary>The longest duration that the previous bucket counts, in nanoseconds.</summary>
    public static long LowerBound(int bucket) => bucket == 0 ? 0 : UpperBound(bucket - 1);

    // As in Prometheus, a bound belongs to the bucket below it.
    private static int Bucket(long nanoseconds)
    {
        var value = Math.Clamp(nanoseconds - 1, Shortest, Longest - 1);
        var power = 0;
        while (value >= Steps[power] * 100)
        {
            power++;
        }

        return (power * PerPower) + (int)(value / Steps[power]) - 10;
    }
}

/// <summary>A histogram's counts at one moment, or between two.</summary>
internal sealed class HistogramSnapshot(long[] counts, long sum)
{
    private const double PerMillisecond = 1e6;

    public static readonly HistogramSnapshot Empty = new([], 0);

    public long Count { get; } = counts.Sum();

    /// <summary>Milliseconds.</summary>
    public double Sum => sum / PerMillisecond;

    /// <summary>The counts since an earlier snapshot.</summary>
    public HistogramSnapshot Since(HistogramSnapshot earlier)
    {
        if (earlier.IsEmpty || IsEmpty)
        {
            return this;
        }

        var difference = new long[counts.Length];
        for (var i = 0; i < counts.Length; i++)
        {
            difference[i] = counts[i] - earlier.At(i);
        }

        return new(difference, sum - earlier.Nanoseconds);
    }

    /// <param name="share">0 to 1.</param>
    /// <returns>Milliseconds, interpolated within a bucket; null when nothing was counted.</returns>
    public double? Percentile(double share)
    {
        var rank = share * Count;
        long below = 0;
        for (var i = 0; i < counts.Length; i++)
        {
            if (counts[i] > 0 && below + counts[i] >= rank)
            {
                var (from, to) = (LatencyHistogram.LowerBound(i), LatencyHistogram.UpperBound(i));
                return (from + ((to - from) * Math.Max(0, rank - below) / counts[i])) / PerMillisecond;
            }

            below += counts[i];
        }

        return null;
    }

    /// <summary>How many took at most this long. Exact for a bound of two significant digits.</summary>
    public long CountUpTo(double milliseconds)
    {
        long count = 0;
        for (var i = 0; i < counts.Length && LatencyHistogram.UpperBound(i) <= milliseconds * PerMillisecond; i++)
        {
            count += counts[i];
        }

        return count;
    }

    private bool IsEmpty => counts.Length == 0;

    private long Nanoseconds => sum;

    private long At(int bucket) => counts[bucket];
}
