using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace UserSvc.Tests;

public sealed partial class FolderOrderTests
{
    private static readonly string Root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(SourceFile())!, ".."));

    /// <summary>From the bottom up: a folder uses only the folders before it. The project's own files are above them all.</summary>
    [Theory]
    [InlineData("UserSvc.AppHost", "Processes Postgres Topology Kubernetes Resources")]
    [InlineData("UserSvc.Api", "Database Passwords Users")]
    [InlineData("UserSvc.Edge", "Configuration Statistics Discovery Listeners Limits Resilience Forwarding AccessLog Admin")]
    public void Folder_OfAProject_UsesOnlyTheFoldersBelowIt(string project, string order)
    {
        var folders = order.Split(' ');
        var files =
            from directory in Directory.EnumerateDirectories(Path.Combine(Root, project))
            let folder = Path.GetFileName(directory)
            where folder is not ("bin" or "obj")
            from file in Directory.EnumerateFiles(directory, "*.cs", SearchOption.AllDirectories)
            select (Folder: folder, Path: file);
        var upward =
            from file in files
            from Match use in Uses().Matches(File.ReadAllText(file.Path))
            where use.Groups[1].Value == project && Array.IndexOf(folders, file.Folder) < Array.IndexOf(folders, use.Groups[2].Value)
            select $"{Path.GetRelativePath(Root, file.Path)} uses {use.Groups[2].Value}";

        Assert.Equal(folders.Order(), files.Select(f => f.Folder).Distinct().Order());
        Assert.Empty(upward);
    }

    // using UserSvc.Edge.Forwarding;
    [GeneratedRegex(@"^using (?:static )?(?:\w+ = )?(UserSvc\.\w+)\.(\w+)", RegexOptions.Multiline)]
    private static partial Regex Uses();

    private static string SourceFile([CallerFilePath] string path = "") => path;
}
