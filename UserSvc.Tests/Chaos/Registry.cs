namespace UserSvc.Tests.Chaos;

/// <summary>Where a scenario registers instances, and an edge finds them.</summary>
internal abstract class Registry : IAsyncDisposable
{
    /// <summary>The edge's configured destination; null if the instances themselves are configured.</summary>
    public virtual string? Destination => null;

    /// <summary>The edge's other settings for this registry.</summary>
    public virtual (string Key, string Value)[] EdgeSettings => [];

    /// <summary>Replaces the registered instances.</summary>
    public abstract void Register(Proxy edge, IReadOnlyDictionary<string, Uri> instances);

    public abstract ValueTask DisposeAsync();

    /// <summary>The edge's configuration itself.</summary>
    internal sealed class Static : Registry
    {
        public override void Register(Proxy edge, IReadOnlyDictionary<string, Uri> instances) => edge.Route(instances.Select(i => (i.Key, i.Value.ToString())));

        public override ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
