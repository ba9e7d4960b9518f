using System.Security.Cryptography;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Configuration;

/// <summary>
/// Where the configuration comes from: files, overridden by the environment and the command line. Files are compared by content, which
/// notices every kind of change: a file written in place, one renamed over it, or a link swapped by Kubernetes, which a file watcher misses.
/// </summary>
internal sealed class ConfigurationSources
{
    /// <summary>
    /// Turns off the host's own file watchers. Each takes an inotify instance, and by default a user has 128 of them on a whole node: once
    /// they are used up, the process would not start.
    /// </summary>
    public const string Unwatched = "--hostBuilder:reloadConfigOnChange=false";

    private readonly List<string> _paths = [];
    private readonly HashSet<string> _seen;
    private List<string> _lastChecked = [];
    private List<string> _lastReported = [];

    public ConfigurationSources(IEnumerable<IConfigurationSource> sources)
    {
        var builder = new ConfigurationBuilder();
        foreach (var source in sources)
        {
            if (source is FileConfigurationSource { Path: { } path } file)
            {
                file.ReloadOnChange = false;
                _paths.Add(file.FileProvider?.GetFileInfo(path).PhysicalPath ?? path);
            }

            builder.Add(source);
        }

        _seen = [.. _paths.Where(File.Exists)];
        Current = builder.Build();
    }

    /// <summary>As read at the start or by the last <see cref="Reload"/>.</summary>
    public IConfigurationRoot Current { get; }

    /// <summary>
    /// Whether any file differs from the last time this returned true. A file that also changed since the previous call is still being
    /// written and is reported by a later call.
    /// </summary>
    public bool FilesHaveChanged()
    {
        List<string> contents = [.. _paths.Select(Fingerprint)];
        var settled = contents.SequenceEqual(_lastChecked);
        _lastChecked = contents;
        if (!settled || contents.SequenceEqual(_lastReported))
        {
            return false;
        }

        _lastReported = contents;
        return true;
    }

    /// <exception cref="InvalidConfigurationException">A file was deleted, cannot be read or is not valid JSON.</exception>
    public void Reload()
    {
        // An optional file that was deleted would be read as an empty one.
        if (_seen.FirstOrDefault(path => !File.Exists(path)) is { } deleted)
        {
            throw new InvalidConfigurationException($"{deleted} no longer exists. Restore it, or restart the edge without it.");
        }

        try
        {
            Current.Reload();
        }
        catch (InvalidDataException broken)
        {
            throw new InvalidConfigurationException(broken);
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            throw new InvalidConfigurationException(unreadable.Message, unreadable);
        }

        _seen.UnionWith(_paths.Where(File.Exists));
    }

    private static string Fingerprint(string path)
    {
        try
        {
            return File.Exists(path) ? Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(path))) : "";
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return unreadable.Message;
        }
    }
}
