using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Nodes;
using UserSvc.AppHost.Processes;
using UserSvc.Tests.AppHost;

namespace UserSvc.Tests.Images;

/// <summary>The image of a service, as its project describes it to the SDK.</summary>
internal sealed class ServiceImage
{
    private static readonly string[] PropertyNames =
        ["ContainerRepository", "ContainerBaseImage", "ContainerUser", "ContainerRuntimeIdentifiers", "RuntimeIdentifiers", "PublishReadyToRun", "InvariantGlobalization"];

    // Each evaluation takes MSBuild about a second.
    private static readonly ConcurrentDictionary<string, Task<ServiceImage>> Evaluated = [];

    private readonly JsonNode _evaluated;

    private ServiceImage(JsonNode evaluated) => _evaluated = evaluated;

    public IEnumerable<int> Ports => Items("ContainerPort").Select(port => int.Parse(port["Identity"]!.GetValue<string>(), CultureInfo.InvariantCulture));

    /// <summary>What the image adds to its base's environment.</summary>
    public IEnumerable<(string Name, string Value)> Environment =>
        Items("ContainerEnvironmentVariable").Select(variable => (variable["Identity"]!.GetValue<string>(), variable["Value"]!.GetValue<string>()));

    public string this[string property] => _evaluated["Properties"]![property]!.GetValue<string>();

    /// <param name="project">As <c>UserSvc.Api</c>.</param>
    /// <param name="given">Properties of the command line, as <c>Name=value</c>.</param>
    public static Task<ServiceImage> GetAsync(string project, params IEnumerable<string> given) =>
        Evaluated.GetOrAdd(string.Join(' ', given.Prepend(project)), _ => EvaluateAsync(project, given));

    private static async Task<ServiceImage> EvaluateAsync(string project, IEnumerable<string> given)
    {
        string[] command =
        [
            "dotnet", "msbuild", Manifest.RepositoryFile($"{project}/{project}.csproj"), "-nodeReuse:false", "-property:Configuration=Release", .. given.Select(property => $"-property:{property}"),
            $"-getProperty:{string.Join(',', PropertyNames)}", "-getItem:ContainerPort,ContainerEnvironmentVariable",
        ];
        var evaluation = await Command.RunAsync(command, Eventually.Deadline, CancellationToken.None);
        Assert.True(evaluation.Succeeded, evaluation.Output + evaluation.Error);
        return new(JsonNode.Parse(evaluation.Output)!);
    }

    private IEnumerable<JsonNode> Items(string name) => _evaluated["Items"]![name]!.AsArray().Select(item => item!);
}
