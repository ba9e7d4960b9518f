using System.Diagnostics;
using UserSvc.AppHost;

namespace UserSvc.Tests.AppHost;

[Scenario]
public sealed class PublishedChartTests
{
    [Fact]
    public async Task Publish_Chart_IsTheCommittedOneByteForByte()
    {
        var published = Directory.CreateTempSubdirectory("usersvc-chart-").FullName;
        string[] arguments = [typeof(LaunchException).Assembly.Location, "--operation", "publish", "--step", "publish", "--output-path", published];

        try
        {
            using var publisher = Process.Start("dotnet", arguments);
            await publisher.WaitForExitAsync(TestContext.Current.CancellationToken);

            Assert.Equal(Files(Manifest.RepositoryFile("deploy/helm")), Files(published));
        }
        finally
        {
            Directory.Delete(published, recursive: true);
        }
    }

    private static IEnumerable<(string Name, string Text)> Files(string folder) =>
        Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(file => (Path.GetRelativePath(folder, file), File.ReadAllText(file)));
}
