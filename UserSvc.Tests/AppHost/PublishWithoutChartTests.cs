namespace UserSvc.Tests.AppHost;

[Scenario]
public sealed class PublishWithoutChartTests
{
    [Fact]
    public async Task Publish_BuildWithoutTheChartPublisher_FailsAndNamesTheSwitch()
    {
        var folder = Directory.CreateTempSubdirectory("usersvc-chart-").FullName;

        var refused = await AppHostProcess.RunAsync(folder, "--operation", "publish", "--step", "publish", "--output-path", folder);
        Directory.Delete(folder, recursive: true);

        Assert.Equal(
            (1, "Publishing the chart needs the package Aspire.Hosting.Kubernetes, which this build leaves out: set ChartPublisher=true in the environment and publish again."), refused);
    }
}
