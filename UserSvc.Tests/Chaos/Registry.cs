using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.Chaos;

/// <summary>Where an edge finds its instances, and a test registers them.</summary>
internal abstract class Registry : IAsyncDisposable
{
    /// <summary>The destination that the edge is configured with; null where that is the instances themselves.</summary>
    public virtual string? Destination => null;

    /// <summary>The edge's settings beside it.</summary>
    public virtual (string Key, string Value)[] EdgeSettings => [];

    /// <summary>The address that an instance, counted from 1, is to listen on.</summary>
    public virtual Uri Address(int instance) => new($"http://127.0.0.1:{Ports.Free()}");

    /// <summary>From now on there are these instances and no others.</summary>
    public abstract void Register(ChaosSystem system, IReadOnlyList<string> instances);

    public abstract ValueTask DisposeAsync();

    /// <summary>The edges' configuration itself.</summary>
    internal sealed class Static : Registry
    {
        public override void Register(ChaosSystem system, IReadOnlyList<string> instances) =>
            system.Edges.ForEach(e => e.Route(instances.Select(i => (i, system.Addresses[i].ToString()))));

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
