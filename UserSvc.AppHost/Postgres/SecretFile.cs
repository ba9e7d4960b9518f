using System.Security.Cryptography;

namespace UserSvc.AppHost.Postgres;

/// <summary>A file with a secret, readable by its owner only.</summary>
internal static class SecretFile
{
    /// <summary>The file's content. A missing file is created with 32 random hex digits.</summary>
    public static string ReadOrCreate(string path)
    {
        if (!File.Exists(path))
        {
            var unfinished = $"{path}.{Environment.ProcessId}";
            Write(unfinished, RandomNumberGenerator.GetHexString(32, lowercase: true));
            File.Move(unfinished, path);
        }

        return File.ReadAllText(path).Trim();
    }

    public static void Write(string path, string secret)
    {
        // The mode only applies to a new file.
        File.Delete(path);
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using var file = new StreamWriter(path, options);
        file.Write(secret);
    }
}
