namespace UserSvc.Tests.Chaos;

/// <summary>
/// A load balancer in front of several edges. It probes readiness four times a second: two failures in a row take an edge out of rotation, two
/// successes bring it back. Edges in rotation take turns.
/// </summary>
internal sealed class LoadBalancer : IAsyncDisposable
{
    private const int Threshold = 2;

    private readonly CancellationTokenSource _stopping = new();
    private readonly Task _probing;
    private volatile Proxy[] _rotation;
    private int _turn;

    public LoadBalancer(IReadOnlyList<Proxy> edges)
    {
        _rotation = [.. edges];
        _probing = ProbeAsync(edges);
    }

    public Uri Next()
    {
        var rotation = _rotation;
        return rotation[(uint)Interlocked.Increment(ref _turn) % rotation.Length].Address;
    }

    public Task HasInRotationAsync(int edges) => Eventually.HoldsAsync(() => Task.FromResult(_rotation.Length == edges));

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _probing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private async Task ProbeAsync(IReadOnlyList<Proxy> edges)
    {
        // For each edge, probes in a row that contradict its place in or out of rotation.
        var against = new int[edges.Count];
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(250));
        while (await tick.WaitForNextTickAsync(_stopping.Token))
        {
            var ready = await Task.WhenAll(edges.Select(e => e.Process.IsReadyAsync()));
            var rotation = edges.Where((edge, i) =>
            {
                var isIn = _rotation.Contains(edge);
                against[i] = ready[i] == isIn ? 0 : against[i] + 1;
                return against[i] >= Threshold ? !isIn : isIn;
            });
            _rotation = [.. rotation];
        }
    }
}
