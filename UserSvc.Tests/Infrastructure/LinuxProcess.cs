namespace UserSvc.Tests.Infrastructure;

/// <summary>What Linux tells of a process and .NET does not.</summary>
internal static class LinuxProcess
{
    /// <summary>R, S, D, T (stopped) or Z (ended, not yet reaped by its parent); null when there is no such process.</summary>
    public static char? State(int id) => Read(id, "stat") is { Length: > 0 } stat ? stat[stat.LastIndexOf(')') + 2] : null;

    /// <summary>NAME=value, each with a NUL behind it; empty when the process has ended or is another user's.</summary>
    public static string Environment(int id) => Read(id, "environ") ?? "";

    private static string? Read(int id, string file)
    {
        try
        {
            return File.ReadAllText($"/proc/{id}/{file}");
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
