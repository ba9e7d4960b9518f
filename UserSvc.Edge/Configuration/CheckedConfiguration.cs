namespace UserSvc.Edge.Configuration;

/// <summary>
/// The configuration the whole process reads: a copy, replaced as a whole and only by a checked one. YARP, Kestrel and logging would
/// read a broken file as an empty configuration.
/// </summary>
internal sealed class CheckedConfiguration : ConfigurationProvider, IConfigurationSource
{
    // Everything else is read once: a listener cannot be rebound without cutting requests, and options are validated at start.
    private static readonly string[] Reloadable = ["ReverseProxy:", "Logging:"];

    public CheckedConfiguration(IConfiguration configuration) => Data = Copy(configuration);

    public IConfigurationProvider Build(IConfigurationBuilder builder) => this;

    /// <summary>Takes over what a running process can change.</summary>
    /// <param name="configuration">The changed configuration, already checked.</param>
    /// <param name="roots">The top-level sections whose settings are compared.</param>
    /// <param name="unapplied">Settings of <paramref name="roots"/> that changed but need a restart.</param>
    /// <returns>Whether anything was applied.</returns>
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

    // Without the sections themselves: binding would take their null for a value.
    private static Dictionary<string, string?> Copy(IConfiguration configuration)
    {
        var all = configuration.AsEnumerable().ToDictionary(StringComparer.OrdinalIgnoreCase);
        var sections = all.Keys.Where(key => key.Contains(':', StringComparison.Ordinal)).Select(key => ConfigurationPath.GetParentPath(key)!)
            .ToHashSet(StringComparer.OrdinalIgnoreCase);
        return all.Where(s => s.Value is not null || !sections.Contains(s.Key)).ToDictionary(StringComparer.OrdinalIgnoreCase);
    }
}
