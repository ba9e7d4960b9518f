using System.Security.Cryptography;

namespace UserSvc.Edge.Configuration;

/// <summary>
/// The sources of the configuration as they are now: files first, overridden by environment and command line. Files are compared by
/// content, so that it does not matter how they come to change: written in place, renamed over, or by the swap of a link as
/// Kubernetes does it, which a file watcher misses.
/// </summary>
internal sealed class ConfigurationFiles
{
    /// <summary>
    /// The host's switch against watchers of its own. Each takes an inotify instance, of which a user has 128 on a whole node by default:
    /// without one left the process would not start.
    /// </summary>
    public const string Unwatched = "--hostBuilder:reloadConfigOnChange=false";

    private readonly ConfigurationRoot _sources;
    private readonly List<string> _paths = [];
    private readonly HashSet<string> _seen;
    private List<string> _lastSeen = [];
    private List<string> _lastTold = [];

    public ConfigurationFiles(IEnumerable<IConfigurationSource> sources)
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
        _sources = (ConfigurationRoot)builder.Build();
    }

    public IConfigurationRoot Current => _sources;

    /// <summary>
    /// Whether a file differs from what it was when this was true last, and has not changed since it was asked before: a file that is
    /// being written is no mistake to report.
    /// </summary>
    public bool HaveChanged()
    {
        List<string> contents = [.. _paths.Select(Content)];
        var settled = contents.SequenceEqual(_lastSeen);
        _lastSeen = contents;
        if (!settled || contents.SequenceEqual(_lastTold))
        {
            return false;
        }

        _lastTold = contents;
        return true;
    }

    /// <exception cref="InvalidConfigurationException">A file is gone, cannot be read, or is no JSON.</exception>
    public IConfigurationRoot Read()
    {
        // An optional file that is gone would be read as an empty one.
        if (_seen.FirstOrDefault(path => !File.Exists(path)) is { } gone)
        {
            throw new InvalidConfigurationException($"{gone} is gone.");
        }

        try
        {
            _sources.Reload();
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
        return _sources;
    }

    private static string Content(string path)
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
