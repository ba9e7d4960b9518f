namespace UserSvc.Edge.Configuration;

/// <summary>
/// The configuration the whole process reads: a copy, replaced as a whole and only by a checked one. YARP, Kestrel and logging would
/// read a broken file as an empty configuration.
/// </summary>
internal sealed class CheckedConfiguration : ConfigurationProvider, IConfigurationSource
{
    // Everything else is read once: a listener cannot be rebound without cutting requests, and options are validated at start.
    private static readonly string[] Reloadable = ["ReverseProxy:", "Logging:"];

    public CheckedConfiguration(IConfigurationRoot configuration) => Data = Copy(configuration);

    public IConfigurationProvider Build(IConfigurationBuilder builder) => this;

    /// <summary>Takes over what a running process can change.</summary>
    /// <param name="configuration">The changed configuration, already checked.</param>
    /// <param name="roots">The top-level sections whose settings are compared.</param>
    /// <param name="unapplied">Settings of <paramref name="roots"/> that changed but need a restart.</param>
    /// <returns>Whether anything was applied.</returns>
    public bool Apply(IConfigurationRoot configuration, IReadOnlySet<string> roots, out IReadOnlyList<string> unapplied)
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

    private static Dictionary<string, string?> Copy(IConfigurationRoot configuration) =>
        Settings(configuration, null).ToDictionary(StringComparer.OrdinalIgnoreCase);

    // Names are spelled as in the first source that has them. The files come first: REVERSEPROXY__CLUSTERS__USERSVC__… in the environment must
    // not rename a cluster. Without the sections themselves: binding would take their null for a value.
    private static IEnumerable<KeyValuePair<string, string?>> Settings(IConfigurationRoot configuration, string? parent)
    {
        foreach (var key in configuration.Providers.SelectMany(p => p.GetChildKeys([], parent).Distinct()).Distinct(StringComparer.OrdinalIgnoreCase))
        {
            var path = parent is null ? key : ConfigurationPath.Combine(parent, key);
            List<KeyValuePair<string, string?>> below = [.. Settings(configuration, path)];
            foreach (var setting in configuration[path] is { } value ? below.Prepend(new(path, value)) : below is [] ? [new(path, null)] : below)
            {
                yield return setting;
            }
        }
    }
}
