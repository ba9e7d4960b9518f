using System.Globalization;
using System.Runtime.InteropServices;

namespace UserSvc.AppHost.Processes;

internal sealed record SystemUser(string Name, uint UserId, uint GroupId)
{
    /// <summary>The first of these users that exists; null when none does.</summary>
    public static SystemUser? Find(params ReadOnlySpan<string> names)
    {
        // name:password:uid:gid:comment:home:shell
        var known = File.ReadLines("/etc/passwd").Select(line => line.Split(':')).Where(fields => fields.Length >= 4).ToList();
        foreach (var name in names)
        {
            if (known.Find(fields => fields[0] == name) is { } fields)
            {
                return new(name, uint.Parse(fields[2], CultureInfo.InvariantCulture), uint.Parse(fields[3], CultureInfo.InvariantCulture));
            }
        }

        return null;
    }

    /// <summary>The command line that runs a command as this user. It replaces itself with the command, so the process id stays.</summary>
    public IReadOnlyList<string> RunAs(IReadOnlyList<string> command) =>
        ["setpriv", $"--reuid={UserId}", $"--regid={GroupId}", "--clear-groups", "--", .. command];

    public void TakeOwnership(string path)
    {
        if (SetOwner(path, UserId, GroupId) != 0)
        {
            throw new IOException($"User {Name} cannot become the owner of {path}: {Marshal.GetLastPInvokeErrorMessage()}");
        }
    }

    [DllImport("libc", EntryPoint = "chown", SetLastError = true, CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern int SetOwner([MarshalAs(UnmanagedType.LPUTF8Str)] string path, uint user, uint group);
}
