using UserSvc.AppHost.Processes;
using UserSvc.Tests.AppHost;

namespace UserSvc.Tests.Kubernetes;

public sealed class DeployScriptTests
{
    [Theory]
    [InlineData("up.sh: --registry is required; see --help", "up.sh")]
    [InlineData("up.sh: --registry lacks its value; see --help", "up.sh", "--registry")]
    [InlineData("up.sh: 'https://registry.example' is no registry: a host and a path in lower case, without http://, as europe-west1-docker.pkg.dev/project/repository", "up.sh", "--registry=https://registry.example")]
    [InlineData("up.sh: there is no overlay 'eks'. Known: gke local", "up.sh", "--registry", "registry.example", "--overlay", "eks")]
    [InlineData("up.sh: --timeout needs a number of seconds, not 'soon'", "up.sh", "--registry", "registry.example", "--kustomize", "--timeout", "soon")]
    [InlineData("up.sh: --values is for the chart: with --kustomize write an overlay of your own, see deploy/aspirate/README.md", "up.sh", "--registry", "registry.example", "--kustomize", "--values", "/dev/null")]
    [InlineData("up.sh: --values: /nowhere.yaml cannot be read", "up.sh", "--registry", "registry.example", "--values", "/nowhere.yaml")]
    [InlineData("up.sh: 'a b' is no tag of an image", "up.sh", "--registry", "registry.example", "--kustomize", "--tag", "a b")]
    [InlineData("up.sh: unknown option '--force'", "up.sh", "--force")]
    [InlineData("down.sh: unknown option '--force'", "down.sh", "--force")]
    [InlineData("down.sh: --namespace lacks its value; see --help", "down.sh", "--namespace", "--delete-data")]
    public async Task Script_OptionsThatCannotBe_FailsAndSaysWhy(string error, string script, params string[] options)
    {
        var result = await RunAsync(script, options);

        Assert.Equal((false, error), (result.Succeeded, result.Error.TrimEnd('\n').Split('\n')[^1]));
    }

    [Theory]
    [InlineData("up.sh", "--registry", "registry.example", "--kustomize", "--no-build", "--context", "usersvc-tests-nowhere")]
    [InlineData("down.sh", "--context", "usersvc-tests-nowhere")]
    public async Task Script_ContextThatIsNotThere_FailsAndNamesIt(string script, params string[] options)
    {
        Assert.SkipWhen(Command.OnPath("kubectl") is null, "kubectl is not on PATH");

        var result = await RunAsync(script, options);

        Assert.False(result.Succeeded);
        Assert.Contains($"{script}: there is no context 'usersvc-tests-nowhere'. Known: ", result.Error);
    }

    [Theory]
    [InlineData("up.sh")]
    [InlineData("down.sh")]
    public async Task Script_Help_NamesEveryOptionItTakes(string script)
    {
        var text = await File.ReadAllTextAsync(PathOf(script), TestContext.Current.CancellationToken);
        var options = text.Split('\n').Select(line => line.Trim()).Where(line => line.StartsWith("--", StringComparison.Ordinal) && line.Contains(") ", StringComparison.Ordinal) && line.EndsWith(";;", StringComparison.Ordinal))
            .Select(line => line.Split(')', ' ')[0]).ToList();

        var result = await RunAsync(script, "--help");

        Assert.NotEmpty(options);
        Assert.Equal([], options.Where(option => !result.Output.Contains($"  {option} ", StringComparison.Ordinal)));
    }

    private static Task<CommandResult> RunAsync(string script, params IEnumerable<string> options) =>
        Command.RunAsync(["bash", PathOf(script), .. options], Eventually.Deadline, TestContext.Current.CancellationToken);

    private static string PathOf(string script) => Manifest.RepositoryFile($"deploy/{script}");
}
