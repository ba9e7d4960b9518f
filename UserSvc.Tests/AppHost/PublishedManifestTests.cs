using System.Diagnostics;
using UserSvc.AppHost;

namespace UserSvc.Tests.AppHost;

public sealed class PublishedManifestTests
{
    [Fact]
    public async Task Publish_Manifest_IsTheCommittedOneByteForByte()
    {
        // Beside the committed one, since its paths are relative to its folder.
        var published = Manifest.RepositoryFile($"aspire-manifest.{Guid.NewGuid():N}.json");
        string[] arguments = [typeof(LaunchException).Assembly.Location, "--publisher", "manifest", "--output-path", published];

        try
        {
            using var publisher = Process.Start("dotnet", arguments);
            await publisher.WaitForExitAsync(TestContext.Current.CancellationToken);

            Assert.Equal(await File.ReadAllTextAsync(Manifest.File, TestContext.Current.CancellationToken), await File.ReadAllTextAsync(published, TestContext.Current.CancellationToken));
        }
        finally
        {
            File.Delete(published);
        }
    }
}
