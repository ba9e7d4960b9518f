using UserSvc.Tests.AppHost;

namespace UserSvc.Tests.Images;

public sealed class ImageTests
{
    private const string Chiselled = "mcr.microsoft.com/dotnet/aspnet:10.0-noble-chiseled-extra";

    [Theory]
    [InlineData("UserSvc.Api", "usersvc")]
    [InlineData("UserSvc.Edge", "edge")]
    public async Task Image_ForARegistry_IsOfBothArchitecturesOnAChiselledBaseWithIcu(string project, string repository)
    {
        var image = await ServiceImage.GetAsync(project, "ContainerRegistry=registry.example");

        Assert.Equal(
            (repository, Chiselled, "1654", "linux-x64;linux-arm64", "linux-x64;linux-arm64", "false"),
            (image["ContainerRepository"], image["ContainerBaseImage"], image["ContainerUser"],
                image["ContainerRuntimeIdentifiers"], image["RuntimeIdentifiers"], image["InvariantGlobalization"]));
    }

    [Theory]
    [InlineData("UserSvc.Api", "usersvc", new int[0])]
    // https, which it serves once it is given a certificate.
    [InlineData("UserSvc.Edge", "edge", new[] { 8443 })]
    public async Task Image_Ports_AreTheManifestsBindings(string project, string resource, int[] besides)
    {
        var bindings = Manifest.Resources[resource]!["bindings"]!.AsObject().Select(binding => binding.Value!["targetPort"]!.GetValue<int>());

        var image = await ServiceImage.GetAsync(project);

        Assert.Equal(bindings.Concat(besides).Order(), image.Ports.Order());
    }

    [Theory]
    [InlineData("UserSvc.Api")]
    [InlineData("UserSvc.Edge")]
    public async Task Image_OneArchitectureAndNamesGiven_IsWhatWasGiven(string project)
    {
        var image = await ServiceImage.GetAsync(
            project, "ContainerRegistry=registry.example", "ContainerRepository=other", "ContainerBaseImage=mirror.example/aspnet:1",
            "RuntimeIdentifier=linux-arm64", "ContainerRuntimeIdentifier=linux-arm64");

        Assert.Equal(
            ("other", "mirror.example/aspnet:1", "", "", "true"),
            (image["ContainerRepository"], image["ContainerBaseImage"], image["ContainerRuntimeIdentifiers"], image["RuntimeIdentifiers"], image["PublishReadyToRun"]));
    }

    [Theory]
    [InlineData("UserSvc.Api")]
    [InlineData("UserSvc.Edge")]
    public async Task Image_ForTheLocalEngine_IsOfItsArchitectureAlone(string project)
    {
        var image = await ServiceImage.GetAsync(project);

        Assert.Equal(("", "", ""), (image["ContainerRuntimeIdentifiers"], image["RuntimeIdentifiers"], image["PublishReadyToRun"]));
    }

    [Fact]
    public void Repository_Dockerfiles_ThereAreNone()
    {
        var found = new DirectoryInfo(Manifest.RepositoryFile(".")).EnumerateDirectories()
            .Where(folder => folder.Name.StartsWith("UserSvc.", StringComparison.Ordinal) || folder.Name == "deploy")
            .SelectMany(folder => folder.EnumerateFiles("*", SearchOption.AllDirectories))
            .Where(file => file.Name.Contains("Dockerfile", StringComparison.OrdinalIgnoreCase))
            .Select(file => file.FullName);

        Assert.Empty(found);
    }
}
