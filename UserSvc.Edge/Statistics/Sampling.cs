using UserSvc.Edge.Resilience;
using Yarp.ReverseProxy;

namespace UserSvc.Edge.Statistics;

/// <summary>A cluster in one second: rates a second, latencies in milliseconds, null without a request; ejections are a count.</summary>
internal sealed record Sample(DateTime Time, double Requests, double Errors, double? P50, double? P99, double Retries, long Ejections, double Refused);

/// <summary>The last five minutes of a cluster, second by second.</summary>
internal sealed class SampleRing
{
    public const int Capacity = 300;

    private readonly Lock _lock = new();
    private readonly Queue<Sample> _samples = new(Capacity);
    private long _retries, _ejections, _refused;

    public Sample? Latest { get; private set; }

    /// <summary>The oldest first.</summary>
    public IReadOnlyList<Sample> All
    {
        get
        {
            lock (_lock)
            {
                return [.. _samples];
            }
        }
    }

    public void Add(ClusterRecord cluster, DateTime now, TimeSpan elapsed)
    {
        var interval = cluster.Tries.Interval;
        var (retries, ejections, refused) = (cluster.RetriesInAll, cluster.Ejections, cluster.Refused);
        var sample = new Sample(
            now,
            interval.Rate,
            interval.ErrorRate,
            interval.Latency.Percentile(0.5),
            interval.Latency.Percentile(0.99),
            (retries - _retries) / elapsed.TotalSeconds,
            ejections - _ejections,
            (refused - _refused) / elapsed.TotalSeconds);
        (_retries, _ejections, _refused) = (retries, ejections, refused);
        lock (_lock)
        {
            if (_samples.Count == Capacity)
            {
                _samples.Dequeue();
            }

            _samples.Enqueue(sample);
            Latest = sample;
        }
    }
}

/// <summary>Takes a sample of every cluster and destination each second.</summary>
internal sealed class Sampling(IProxyStateLookup proxy, ResilienceState state, TimeProvider time) : BackgroundService
{
    public static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every, time);
        var last = time.GetTimestamp();
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                // A machine that was busy or asleep makes a longer second, not a higher rate.
                var elapsed = time.GetElapsedTime(last);
                last = time.GetTimestamp();
                Take(elapsed > TimeSpan.Zero ? elapsed : Every);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Where another service fails to start, the host would take this for a failure too.
        }
    }

    private void Take(TimeSpan elapsed)
    {
        foreach (var cluster in proxy.GetClusters())
        {
            foreach (var destination in cluster.DestinationsState.AllDestinations)
            {
                var tries = state.Of(destination).Tries;
                tries.Interval.Advance(tries, elapsed);
            }

            var record = state.Of(cluster);
            record.Tries.Interval.Advance(record.Tries, elapsed);
            record.Samples.Add(record, time.GetUtcNow().UtcDateTime, elapsed);
        }
    }
}
