namespace UserSvc.Tests.Chaos;

/// <summary>Where an edge finds its instances, and a scenario registers them.</summary>
internal abstract class Registry : IAsyncDisposable
{
    /// <summary>The destination that the edge is configured with; null where that is the instances themselves.</summary>
    public virtual string? Destination => null;

    /// <summary>The edge's settings beside it.</summary>
    public virtual (string Key, string Value)[] EdgeSettings => [];

    /// <summary>From now on there are these instances and no others.</summary>
    public abstract void Register(Proxy edge, IReadOnlyDictionary<string, Uri> instances);

    public abstract ValueTask DisposeAsync();

    /// <summary>The edge's configuration itself.</summary>
    internal sealed class Static : Registry
    {
        public override void Register(Proxy edge, IReadOnlyDictionary<string, Uri> instances) => edge.Route(instances.Select(i => (i.Key, i.Value.ToString())));

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
