using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.Chaos;

/// <summary>What stands before the instances: this project's edge, or a peer in a benchmark.</summary>
internal abstract class Proxy : IAsyncDisposable
{
    public abstract ServiceProcess Process { get; }

    public abstract Uri Address { get; }

    /// <summary>From now on these are its instances: written to its configuration, whether it runs or not.</summary>
    public abstract void Route(params IEnumerable<(string Name, string Address)> destinations);

    /// <summary>Its counters, as it prints them.</summary>
    public abstract Task<string> CountersAsync();

    public ValueTask DisposeAsync() => Process.DisposeAsync();

    protected static int FreePort() => Ports.Free();
}
