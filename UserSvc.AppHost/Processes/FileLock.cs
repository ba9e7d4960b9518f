using System.Globalization;

namespace UserSvc.AppHost.Processes;

/// <summary>Held by one process at a time; the system releases it however that process ends. The file stays.</summary>
internal sealed class FileLock : IDisposable
{
    private readonly FileStream _file;
    private readonly string _holderFile;

    private FileLock(FileStream file, string holderFile)
    {
        _file = file;
        _holderFile = holderFile;
        WasAbandoned = File.Exists(holderFile);
        File.WriteAllText(holderFile, Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>The holder before this one was killed: what it started may still be ending.</summary>
    public bool WasAbandoned { get; }

    /// <summary>Null when another process holds it: <see cref="Holder"/> tells which.</summary>
    public static FileLock? TryTake(string path)
    {
        FileStream file;
        try
        {
            // FileShare.None is an exclusive flock, and the descriptor is not inherited by children.
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException) when (File.Exists(path))
        {
            return null;
        }

        return new(file, HolderFile(path));
    }

    /// <summary>The process id of the latest holder, for a message.</summary>
    public static string Holder(string path) => File.Exists(HolderFile(path)) ? File.ReadAllText(HolderFile(path)) : "?";

    public void Dispose()
    {
        // The folder may be gone.
        if (File.Exists(_holderFile))
        {
            File.Delete(_holderFile);
        }

        _file.Dispose();
    }

    // A file beside the locked one: opening that, even to read, asks for a lock too.
    private static string HolderFile(string path) => path + ".holder";
}
