using System.Text.RegularExpressions;
using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Postgres;

/// <summary>Finds <c>postgres</c> and <c>initdb</c>: on PATH, otherwise in the distributions' folders, newest version first.</summary>
internal static partial class PostgresBinaries
{
    private static readonly string[] Roots =
    [
        "/usr/lib/postgresql/*/bin", // Debian, Ubuntu
        "/usr/pgsql-*/bin", // the PostgreSQL project's packages for Fedora and Red Hat
        "/usr/libexec/postgresql*", // Alpine
        "/opt/homebrew/opt/postgresql@*/bin",
        "/usr/local/opt/postgresql@*/bin",
    ];

    public static string InstallHint =>
        OperatingSystem.IsMacOS() ? "brew install postgresql@17"
        : File.Exists("/etc/debian_version") ? "sudo apt-get install postgresql"
        : File.Exists("/etc/fedora-release") || File.Exists("/etc/redhat-release") ? "sudo dnf install postgresql-server"
        : "your system's package of the PostgreSQL server";

    /// <summary>The folder that holds both programs; null if there is none.</summary>
    public static string? Find() =>
        PathFolders().Concat(Roots.SelectMany(Expand))
            .FirstOrDefault(folder => File.Exists(Path.Combine(folder, "postgres")) && File.Exists(Path.Combine(folder, "initdb")));

    // Follows a link on PATH (Homebrew, some distributions): initdb looks for its templates beside the real file.
    private static IEnumerable<string> PathFolders() =>
        Command.OnPath("postgres") is { } found
            ? [Path.GetDirectoryName(File.ResolveLinkTarget(found, returnFinalTarget: true)?.FullName ?? found)!]
            : [];

    private static IEnumerable<string> Expand(string root)
    {
        var parts = root.Split('*');
        var parent = Path.GetDirectoryName(parts[0])!;
        return !Directory.Exists(parent)
            ? []
            : Directory.EnumerateDirectories(parent, Path.GetFileName(parts[0]) + "*")
                .Select(folder => folder + parts[1])
                .OrderByDescending(folder => double.TryParse(Version().Match(folder).Value, out var version) ? version : 0);
    }

    [GeneratedRegex(@"\d+(\.\d+)?")]
    private static partial Regex Version();
}
