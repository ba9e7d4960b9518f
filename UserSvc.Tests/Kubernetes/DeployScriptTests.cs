using UserSvc.AppHost.Processes;
using UserSvc.Tests.AppHost;

namespace UserSvc.Tests.Kubernetes;

public sealed class DeployScriptTests
{
    [Theory]
    [InlineData("up.sh: --registry is required; see --help", "up.sh")]
    [InlineData("up.sh: --registry needs a value; see --help", "up.sh", "--registry")]
    [InlineData("up.sh: 'https://registry.example' is not a registry: give a host and a path in lower case, without http://, such as europe-west1-docker.pkg.dev/project/repository", "up.sh", "--registry=https://registry.example")]
    [InlineData("up.sh: there is no chart in /nowhere", "up.sh", "--registry", "registry.example", "--chart", "/nowhere")]
    [InlineData("up.sh: there is no overlay 'eks'. Known: gke local", "up.sh", "--registry", "registry.example", "--overlay", "eks")]
    [InlineData("up.sh: --timeout needs a number of seconds, not 'soon'", "up.sh", "--registry", "registry.example", "--timeout", "soon")]
    [InlineData("up.sh: --chart and --values are for Helm: with --kustomize write your own overlay, see deploy/aspirate/README.md", "up.sh", "--registry", "registry.example", "--kustomize", "--values", "/dev/null")]
    [InlineData("up.sh: --values needs a file that can be read, not '/nowhere.yaml'", "up.sh", "--registry", "registry.example", "--values", "/nowhere.yaml")]
    [InlineData("up.sh: --postgres-image needs a name with a tag, not 'registry.example:5000/postgres'", "up.sh", "--registry", "registry.example", "--postgres-image", "registry.example:5000/postgres")]
    [InlineData("up.sh: 'a b' is not a valid image tag: give another with --tag", "up.sh", "--registry", "registry.example", "--kustomize", "--tag", "a b")]
    [InlineData("up.sh: unknown option '--force'", "up.sh", "--force")]
    [InlineData("down.sh: unknown option '--force'", "down.sh", "--force")]
    [InlineData("down.sh: --namespace needs a value; see --help", "down.sh", "--namespace", "--delete-data")]
    public async Task Script_InvalidOptions_FailsAndSaysWhy(string error, string script, params string[] options)
    {
        var result = await RunAsync(script, options);

        Assert.Equal((false, error), (result.Succeeded, result.Error.TrimEnd('\n').Split('\n')[^1]));
    }

    [Theory]
    [InlineData("up.sh", "--registry", "registry.example", "--kustomize", "--no-build", "--context", "usersvc-tests-nowhere")]
    [InlineData("down.sh", "--context", "usersvc-tests-nowhere")]
    public async Task Script_UnknownContext_FailsAndNamesIt(string script, params string[] options)
    {
        Assert.SkipWhen(Command.OnPath("kubectl") is null, "kubectl is not on PATH");

        var result = await RunAsync(script, options);

        Assert.False(result.Succeeded);
        Assert.Contains($"{script}: there is no context 'usersvc-tests-nowhere'. Known: ", result.Error);
    }

    private static Task<CommandResult> RunAsync(string script, params IEnumerable<string> options) =>
        Command.RunAsync(["bash", Manifest.RepositoryFile($"deploy/{script}"), .. options], Eventually.Deadline, TestContext.Current.CancellationToken);
}
