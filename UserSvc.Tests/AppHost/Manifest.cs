using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;

namespace UserSvc.Tests.AppHost;

/// <summary>The committed <c>aspire-manifest.json</c>.</summary>
internal static class Manifest
{
    public static string File => RepositoryFile("aspire-manifest.json");

    public static JsonObject Resources => JsonNode.Parse(System.IO.File.ReadAllText(File))!["resources"]!.AsObject();

    public static Dictionary<string, string> Environment(string resource) =>
        Resources[resource]!["env"]!.AsObject().ToDictionary(variable => variable.Key, variable => variable.Value!.GetValue<string>());

    public static string RepositoryFile(string path) => Path.GetFullPath(Path.Combine(Path.GetDirectoryName(SourceFile())!, "../..", path));

    private static string SourceFile([CallerFilePath] string path = "") => path;
}
