using Yarp.ReverseProxy;

namespace UserSvc.Edge.Resilience;

/// <summary>Samples every cluster and destination once a second.</summary>
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
                // On a busy machine, or after sleep, the second is longer, not the rate higher.
                var elapsed = time.GetElapsedTime(last);
                last = time.GetTimestamp();
                Take(elapsed > TimeSpan.Zero ? elapsed : Every);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // If another service fails to start, the host would report this cancellation as a second failure.
        }
    }

    private void Take(TimeSpan elapsed)
    {
        foreach (var cluster in proxy.GetClusters())
        {
            foreach (var destination in cluster.DestinationsState.AllDestinations)
            {
                var attempts = state.Get(destination).Attempts;
                attempts.Interval.Advance(attempts, elapsed);
            }

            var statistics = state.Get(cluster).Statistics;
            statistics.Attempts.Interval.Advance(statistics.Attempts, elapsed);
            statistics.Samples.Add(statistics, time.GetUtcNow().UtcDateTime, elapsed);
        }
    }
}
