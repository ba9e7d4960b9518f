using UserSvc.AppHost.Processes;
using UserSvc.Tests.AppHost;

namespace UserSvc.Tests.Kubernetes;

/// <summary>The manifests that Helm and Kustomize apply, with the images registry.example/NAME:v1 and the API server at 10.0.0.2.</summary>
internal static class Rendering
{
    /// <summary>The chart, rendered by the command in the file's first line.</summary>
    public static string Helm => File.ReadAllText(Manifest.RepositoryFile("UserSvc.Tests/Kubernetes/helm.rendered.yaml"));

    public static async Task<string> GetAsync(string way) => way == "helm" ? Helm : await KustomizeAsync("gke");

    public static Task<CommandResult> HelmAgainAsync(params IEnumerable<string> options) =>
        RunAsync([.. Helm.Split('\n')[0].Replace("deploy/helm", Manifest.RepositoryFile("deploy/helm"), StringComparison.Ordinal).Split(' ')[1..], .. options]);

    /// <summary>Renders the user's overlay from deploy/aspirate/README.md on top of one of the repository's overlays, with components added.</summary>
    public static async Task<string> KustomizeAsync(string overlay, params IEnumerable<string> components)
    {
        var folder = Directory.CreateDirectory(Path.Combine(AppContext.BaseDirectory, Path.GetRandomFileName())).FullName;
        try
        {
            var path = Path.GetRelativePath(folder, Manifest.RepositoryFile("deploy/aspirate"));
            var example = (await File.ReadAllTextAsync(Manifest.RepositoryFile("deploy/aspirate/README.md"))).Split("```yaml")[1].Split("```")[0].Replace("\n   ", "\n", StringComparison.Ordinal)
                .Replace("deploy/aspirate/overlays/gke", $"{path}/overlays/{overlay}", StringComparison.Ordinal)
                .Replace("components: []", $"components: [{string.Join(", ", components.Select(c => $"{path}/components/{c}"))}]", StringComparison.Ordinal);
            await File.WriteAllTextAsync(Path.Combine(folder, "kustomization.yaml"), example);
            return await BuildAsync(folder);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    // kubectl contacts a server even to render. Port 1 refuses at once; the default, localhost:8080, may not answer, which costs five seconds.
    public static async Task<string> BuildAsync(string folder)
    {
        var result = await RunAsync(["kubectl", "kustomize", "--server=http://127.0.0.1:1", folder]);
        Assert.True(result.Succeeded, result.Error);
        return result.Output;
    }

    private static Task<CommandResult> RunAsync(string[] command)
    {
        Assert.SkipWhen(Command.OnPath(command[0]) is null, $"{command[0]} is not on PATH");
        return Command.RunAsync(command, Eventually.Deadline, TestContext.Current.CancellationToken);
    }
}
