using System.Globalization;

namespace UserSvc.AppHost.Processes;

/// <summary>Held by one process at a time; the system takes it back however that process ends. The file stays.</summary>
internal sealed class FileLock : IDisposable
{
    private readonly FileStream _file;

    private FileLock(FileStream file) => _file = file;

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

        // In a file beside it: opening the locked one, even to read, asks for a lock too.
        File.WriteAllText(path + ".holder", Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        return new(file);
    }

    /// <summary>The process id of the latest holder, for a message.</summary>
    public static string Holder(string path) => File.Exists(path + ".holder") ? File.ReadAllText(path + ".holder") : "?";

    public void Dispose() => _file.Dispose();
}
