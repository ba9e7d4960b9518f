using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using UserSvc.AppHost.Processes;
using UserSvc.Tests.AppHost;

namespace UserSvc.Tests.Kubernetes;

/// <summary>A copy of deploy/aspirate, with *.env files made from the examples.</summary>
internal sealed class Kustomization : IDisposable
{
    private const string Secret = "a-secret-of-ones-own";

    // The first that these overlays were tried with.
    private static readonly Version Least = new(5, 5);

    private static readonly Lazy<Task<string?>> WhyNot = new(WhyNotAsync);

    private readonly string _folder = Directory.CreateTempSubdirectory("usersvc-kustomize-").FullName;

    public Kustomization()
    {
        var source = Manifest.RepositoryFile("deploy/aspirate");
        foreach (var file in Directory.GetFiles(source, "*", SearchOption.AllDirectories).Where(f => !f.EndsWith(".env", StringComparison.Ordinal)))
        {
            var copy = Path.Combine(_folder, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
            if (copy.EndsWith(".env.example", StringComparison.Ordinal))
            {
                var filledIn = File.ReadAllText(file).Replace("=\n", $"={Secret}\n", StringComparison.Ordinal).Replace("Password=;", $"Password={Secret};", StringComparison.Ordinal);
                File.WriteAllText(Path.ChangeExtension(copy, null), filledIn);
            }
        }
    }

    public string PathOf(string file) => Path.Combine(_folder, file);

    /// <summary>The *.env files' values.</summary>
    public IEnumerable<string> Secrets => Directory.GetFiles(_folder, "*.env", SearchOption.AllDirectories).SelectMany(File.ReadAllLines)
        .Where(line => !line.StartsWith('#') && line.Contains('=', StringComparison.Ordinal)).Select(line => line[(line.IndexOf('=', StringComparison.Ordinal) + 1)..]);

    /// <param name="overlay">A folder under deploy/aspirate.</param>
    /// <param name="switches">Components that its kustomization.yaml has in a comment.</param>
    public async Task<List<IKubernetesObject<V1ObjectMeta>>> RenderAsync(string overlay, params IEnumerable<string> switches)
    {
        var file = PathOf($"{overlay}/kustomization.yaml");
        foreach (var component in switches)
        {
            var (off, on) = ($"# - ../../components/{component}\n", $"- ../../components/{component}\n");
            var text = await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken);
            Assert.Contains(off, text);
            await File.WriteAllTextAsync(file, text.Replace(off, on, StringComparison.Ordinal), TestContext.Current.CancellationToken);
        }

        var result = await BuildAsync(overlay);
        Assert.True(result.Succeeded, result.Error);
        return Manifests.Parse(result.Output);
    }

    public async Task<CommandResult> BuildAsync(string overlay)
    {
        var whyNot = await WhyNot.Value;
        Assert.SkipWhen(whyNot is not null, whyNot ?? "");
        // kubectl contacts a server even to render. Port 1 refuses at once; the default, localhost:8080, may never answer, which costs five seconds.
        return await RunAsync("kustomize", "--server=http://127.0.0.1:1", PathOf(overlay));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <returns>Why nothing can be rendered on this machine.</returns>
    private static async Task<string?> WhyNotAsync()
    {
        if (Command.OnPath("kubectl") is null)
        {
            return "kubectl is not on PATH";
        }

        var version = JsonNode.Parse((await RunAsync("version", "--client", "--output=json")).Output)!["kustomizeVersion"]?.GetValue<string>();
        return Version.TryParse(version?.TrimStart('v'), out var found) && found >= Least
            ? null
            : $"kubectl has Kustomize {version ?? "of an unknown version"}, and {Least} is needed";
    }

    private static Task<CommandResult> RunAsync(params IEnumerable<string> arguments) =>
        Command.RunAsync(["kubectl", .. arguments], Eventually.Deadline, CancellationToken.None);
}
