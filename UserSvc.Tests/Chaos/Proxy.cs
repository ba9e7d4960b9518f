using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.Chaos;

/// <summary>The proxy in front of the instances: this project's edge, or a peer in a benchmark.</summary>
internal abstract class Proxy : IAsyncDisposable
{
    public abstract ServiceProcess Process { get; }

    public abstract Uri Address { get; }

    /// <summary>Writes these instances to the proxy's configuration, whether it runs or not.</summary>
    public abstract void Route(params IEnumerable<(string Name, string Address)> destinations);

    /// <summary>The proxy's counters, as it prints them.</summary>
    public abstract Task<string> CountersAsync();

    public ValueTask DisposeAsync() => Process.DisposeAsync();

    protected static int FreePort() => Ports.Free();
}
