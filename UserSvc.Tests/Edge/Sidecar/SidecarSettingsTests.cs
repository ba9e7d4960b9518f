using System.Text.Json;
using UserSvc.ServiceDefaults;

namespace UserSvc.Tests.Edge.Sidecar;

public sealed class SidecarSettingsTests : IDisposable
{
    private readonly ConfigurationFolder _folder = new();

    private string File => Path.Combine(_folder.Path, "appsettings.Sidecar.json");

    private (string, string)[] Settings => [("Edge:Mode", "Sidecar"), .. _folder.Settings];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Start_WithoutItsFile_FailsAndNamesIt()
    {
        var failure = Record.Exception(() => UserSvc.Edge.Program.Build(EdgeHost.Arguments(Settings)))!;

        Assert.Equal(
            $"The configuration file 'appsettings.Sidecar.json' was not found and is not optional. The expected physical path was '{File}'.",
            StartFailure.Explain(failure));
    }

    [Fact]
    public void Start_WithAnUnknownKeyInItsFile_FailsAndNamesIt()
    {
        System.IO.File.WriteAllText(File, """{"Edge":{"Reload":{"Intervall":"00:00:01"}}}""");

        var failure = Record.Exception(() => UserSvc.Edge.Program.Build(EdgeHost.Arguments(Settings, ("local", "http://127.0.0.1:5000"))))!;

        Assert.Equal("Edge:Reload:Intervall is not a setting. Edge:Reload has Interval.", failure.Message);
    }

    [Fact]
    public async Task Files_OfTheModeThenTheOperator_OverrideTheShippedOneAndAreReloaded()
    {
        await using var first = await Upstream.StartAsync();
        await using var second = await Upstream.StartAsync("usersvc-2");
        await using var third = await Upstream.StartAsync("usersvc-3");
        System.IO.File.WriteAllText(File, Local(first));
        await using var sidecar = await EdgeHost.StartAsync([], Settings);
        var started = await sidecar.Public.AskAsync("/user/alice");

        System.IO.File.WriteAllText(File, Local(second));
        await Eventually.HoldsAsync(async () => await sidecar.Public.AskAsync("/user/alice") == new Answer(200, "usersvc-2"));
        System.IO.File.WriteAllText(Path.Combine(_folder.Path, "appsettings.Production.json"), Local(third));
        await Eventually.HoldsAsync(async () => await sidecar.Public.AskAsync("/user/alice") == new Answer(200, "usersvc-3"));
        System.IO.File.Delete(File);
        await Eventually.HoldsAsync(() => Task.FromResult(sidecar.Log.Lines.Any(line => line.Contains($"{File} no longer exists.", StringComparison.Ordinal))));

        Assert.Equal(new(200, "usersvc-1"), started);
        Assert.Equal(new(200, "usersvc-3"), await sidecar.Public.AskAsync("/user/alice"));
    }

    private static string Local(Upstream instance) =>
        JsonSerializer.Serialize(new { ReverseProxy = new { Clusters = new { usersvc = new { Destinations = new { local = new { instance.Address } } } } } });
}
