namespace UserSvc.Edge.Listeners;

/// <summary>
/// Keeps the process from running out of memory and sockets, with two actions of Envoy's overload manager: near a limit the public listeners
/// ask clients to close their connections, and at a limit they take no new ones. Health and admin listeners are exempt.
/// </summary>
internal sealed class Overload(OpenListeners listeners, TimeProvider time) : BackgroundService
{
    // Shares of the heap's limit, in a container 75% of its memory.
    private const double AskToClose = 0.85;
    private const double Refuse = 0.95;

    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);

    /// <summary>The heap after the last collection, as a share of its limit.</summary>
    public Func<double> ReadHeap { get; set; } = static () =>
    {
        var memory = GC.GetGCMemoryInfo();
        return (double)memory.HeapSizeBytes / memory.TotalAvailableMemoryBytes;
    };

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var tick = new PeriodicTimer(Every, time);
        while (await tick.WaitForNextTickAsync(stoppingToken))
        {
            var heap = ReadHeap();
            foreach (var listener in listeners.Public)
            {
                listener.Crowded = heap >= AskToClose || listener.Sockets.AreCrowded || listener.Statistics.OpenConnections >= 0.9 * listener.Limits.Max;
                listener.Overloaded = heap >= Refuse;
            }

            if (heap >= Refuse)
            {
                // Without new connections nothing might allocate, and the figure would stay as it is.
                GC.Collect(GC.MaxGeneration, GCCollectionMode.Forced, blocking: false);
            }
        }
    }
}
