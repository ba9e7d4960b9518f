namespace UserSvc.Tests.Infrastructure;

internal static class StateFolder
{
    /// <summary>A temporary folder that PostgreSQL's user can enter: otherwise, under root, the data would go to /var/lib/usersvc and stay there.</summary>
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
