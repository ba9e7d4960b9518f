namespace UserSvc.Edge.Configuration;

/// <summary>
/// The configuration that everything in the process reads: a copy that only a checked one replaces, all at once. Without it a broken
/// file would be an empty configuration to YARP, Kestrel and the log.
/// </summary>
internal sealed class CheckedConfiguration : ConfigurationProvider, IConfigurationSource
{
    // The rest is read once: a listener cannot be rebound without cutting requests, and options are validated at start.
    private static readonly string[] Reloadable = ["ReverseProxy:", "Logging:"];

    public CheckedConfiguration(IConfiguration configuration) => Data = Copy(configuration);

    public IConfigurationProvider Build(IConfigurationBuilder builder) => this;

    /// <summary>Takes over what can change in a running process.</summary>
    /// <param name="configuration">The changed configuration, checked.</param>
    /// <param name="roots">The sections whose other settings are those of a start.</param>
    /// <param name="unapplied">Settings of <paramref name="roots"/> that differ and stay as they are.</param>
    /// <returns>Whether anything has changed.</returns>
    public bool Apply(IConfiguration configuration, IReadOnlySet<string> roots, out IReadOnlyList<string> unapplied)
    {
        var changed = Copy(configuration);
        unapplied =
        [
            .. Data.Keys.Union(changed.Keys, StringComparer.OrdinalIgnoreCase)
                .Where(key => !IsReloadable(key) && roots.Contains(key.Split(':')[0]) && !Same(Data, changed, key))
                .Order(StringComparer.Ordinal),
        ];
        var reloaded = Data.Where(s => !IsReloadable(s.Key)).Concat(changed.Where(s => IsReloadable(s.Key)))
            .ToDictionary(StringComparer.OrdinalIgnoreCase);
        if (reloaded.Count == Data.Count && reloaded.Keys.All(key => Same(Data, reloaded, key)))
        {
            return false;
        }

        Data = reloaded;
        OnReload();
        return true;
    }

    private static bool IsReloadable(string key) => Reloadable.Any(root => key.StartsWith(root, StringComparison.OrdinalIgnoreCase));

    private static bool Same(IDictionary<string, string?> one, Dictionary<string, string?> other, string key) =>
        one.TryGetValue(key, out var value) == other.TryGetValue(key, out var otherValue) && value == otherValue;

    // A section is no setting: with a null of its own it would be bound as one.
    private static Dictionary<string, string?> Copy(IConfiguration configuration)
    {
        var all = configuration.AsEnumerable().ToDictionary(StringComparer.OrdinalIgnoreCase);
        var sections = all.Keys.Where(key => key.Contains(':', StringComparison.Ordinal)).Select(key => ConfigurationPath.GetParentPath(key)!).ToHashSet(StringComparer.OrdinalIgnoreCase);
        return all.Where(s => s.Value is not null || !sections.Contains(s.Key)).ToDictionary(StringComparer.OrdinalIgnoreCase);
    }
}
