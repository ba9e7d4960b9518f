namespace UserSvc.Tests.Edge;

/// <summary>Each test gets an upstream, and an edge in front of it that is ready.</summary>
public abstract class OneUpstreamTests(params (string Key, string Value)[] settings) : IAsyncLifetime
{
    private protected Upstream _upstream = null!;
    private protected EdgeHost _edge = null!;

    public async ValueTask InitializeAsync()
    {
        _upstream = await Upstream.StartAsync();
        _edge = await EdgeHost.ReadyAsync([_upstream], settings);
    }

    public async ValueTask DisposeAsync()
    {
        await _edge.DisposeAsync();
        await _upstream.DisposeAsync();
        GC.SuppressFinalize(this);
    }
}
