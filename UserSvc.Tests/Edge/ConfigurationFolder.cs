using System.Text.Json.Nodes;

namespace UserSvc.Tests.Edge;

/// <summary>A content root for one test, with a copy of the edge's appsettings.json to change.</summary>
internal sealed class ConfigurationFolder : IDisposable
{
    private static readonly string Shipped = System.IO.File.ReadAllText(System.IO.Path.Combine(EdgeHost.ContentRoot, "appsettings.json"));

    public ConfigurationFolder() => System.IO.File.WriteAllText(File, Shipped);

    public string Path { get; } = Directory.CreateTempSubdirectory("edge-").FullName;

    public string File => System.IO.Path.Combine(Path, "appsettings.json");

    /// <summary>Makes the edge read this folder and check it often.</summary>
    public (string, string)[] Settings => [("contentRoot", Path), ("Edge:Reload:Interval", "00:00:00.050")];

    /// <summary>The shipped file, changed to put the version into each answer's X-Version, and further by the caller.</summary>
    public static string Version(int version, Action<JsonNode>? change = null)
    {
        var file = JsonNode.Parse(Shipped)!;
        file["ReverseProxy"]!["Routes"]!["user"]!["Transforms"]!.AsArray().Add(
            new JsonObject { ["ResponseHeader"] = "X-Version", ["Set"] = $"{version}" });
        change?.Invoke(file);
        return file.ToJsonString();
    }

    /// <summary>Writes in one step, as an editor or a deployment does.</summary>
    public void Replace(string text)
    {
        var next = File + ".next";
        System.IO.File.WriteAllText(next, text);
        System.IO.File.Move(next, File, overwrite: true);
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
