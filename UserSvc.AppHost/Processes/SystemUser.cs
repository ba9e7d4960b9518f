using System.Globalization;

namespace UserSvc.AppHost.Processes;

internal sealed record SystemUser(string Name, uint UserId, uint GroupId)
{
    /// <summary>The first of the names that the system knows; null when it knows none.</summary>
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

    /// <summary>The command, run as this user; the process id stays the one that was started.</summary>
    public IReadOnlyList<string> Runs(IReadOnlyList<string> command) =>
        ["setpriv", $"--reuid={UserId}", $"--regid={GroupId}", "--clear-groups", "--", .. command];
}
