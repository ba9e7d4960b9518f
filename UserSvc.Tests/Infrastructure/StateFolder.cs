namespace UserSvc.Tests.Infrastructure;

internal static class StateFolder
{
    /// <summary>A temporary folder for AppHosts, which PostgreSQL's user may pass: otherwise a root user's data would go elsewhere and stay there.</summary>
    public static string Create()
    {
        var folder = Directory.CreateTempSubdirectory("usersvc-state-").FullName;
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(folder, File.GetUnixFileMode(folder) | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        }

        return folder;
    }
}
