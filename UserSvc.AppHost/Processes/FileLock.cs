using System.Globalization;

namespace UserSvc.AppHost.Processes;

/// <summary>A lock that one process holds at a time. The system releases it however that process ends; the file stays.</summary>
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

    /// <summary>Whether the previous holder was killed; processes that it started may still be ending.</summary>
    public bool WasAbandoned { get; }

    /// <summary>Null when another process holds the lock; <see cref="Holder"/> names it.</summary>
    public static FileLock? TryTake(string path)
    {
        FileStream file;
        try
        {
            // FileShare.None takes an exclusive flock, and children do not inherit the descriptor.
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException) when (File.Exists(path))
        {
            return null;
        }

        return new(file, HolderFile(path));
    }

    /// <summary>The last holder's process id, for a message.</summary>
    public static string Holder(string path) => File.Exists(HolderFile(path)) ? File.ReadAllText(HolderFile(path)) : "?";

    public void Dispose()
    {
        // Its folder may have been deleted.
        if (File.Exists(_holderFile))
        {
            File.Delete(_holderFile);
        }

        _file.Dispose();
    }

    // Not in the locked file itself: opening that, even to read, asks for the lock.
    private static string HolderFile(string path) => path + ".holder";
}
