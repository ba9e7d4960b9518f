using System.Diagnostics;
using UserSvc.AppHost;

namespace UserSvc.Tests.AppHost;

[Scenario]
public sealed class PublishedManifestTests
{
    [Fact]
    public async Task Publish_Manifest_EqualsTheCommittedOne()
    {
        var folder = Directory.CreateTempSubdirectory("usersvc-manifest-").FullName;
        var file = Path.Combine(folder, "aspire-manifest.json");

        using var publisher = Process.Start(
            new ProcessStartInfo("dotnet", [typeof(LaunchException).Assembly.Location, "--publisher", "manifest", "--output-path", file]) { RedirectStandardOutput = true })!;
        var output = await publisher.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await publisher.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.True(File.Exists(file), output);
        // Paths in a manifest are relative to its folder.
        var published = File.ReadAllText(file).Replace(Path.GetRelativePath(folder, Path.GetDirectoryName(Manifest.File)!) + "/", "", StringComparison.Ordinal);
        Directory.Delete(folder, recursive: true);
        Assert.Equal(File.ReadAllText(Manifest.File), published);
    }
}
