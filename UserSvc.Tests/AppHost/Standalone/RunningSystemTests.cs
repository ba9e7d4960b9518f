using System.Net;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.AppHost.Standalone;

public sealed class RunningSystemTests(RunningSystem system) : IClassFixture<RunningSystem>
{
    [Fact]
    public async Task User_PutThroughTheEdge_IsServed()
    {
        var put = await system.Launcher.PutAliceAsync();
        var got = await system.Launcher.GetAliceAsync();

        Assert.Equal((HttpStatusCode.Created, HttpStatusCode.OK), (put, got));
    }

    [Fact]
    public async Task Health_AskedRepeatedly_IsAnsweredByThreeInstances() =>
        Assert.Equal("usersvc-1 usersvc-2 usersvc-3", await system.Launcher.AnsweringAsync(6));

    [Fact]
    public async Task Instance_Killed_ComesBack()
    {
        using var killed = system.Launcher.Children().First(child => child.ProcessName == "UserSvc.Api");

        Signals.Send(killed.Id, Signals.Kill);
        await killed.WaitForExitAsync(LauncherProcess.Cancellation);

        await Eventually.HoldsAsync(async () => await system.Launcher.AnsweringAsync(6) == "usersvc-1 usersvc-2 usersvc-3");
    }

    [Fact]
    public async Task SecondLauncher_SameFolder_IsRefused()
    {
        var refused = await LauncherProcess.RefusedAsync(system.StateFolder);

        var id = system.Launcher.Id;
        Assert.Equal((1, $"UserSvc already runs from here, as process {id}: use that one, or stop it first (Ctrl-C, or kill {id})."), refused);
    }

    [Fact]
    public async Task SecondLauncher_SamePort_IsRefusedWithTheOptionThatChangesIt()
    {
        var other = Directory.CreateTempSubdirectory("usersvc-system-").FullName;
        var port = system.Launcher.Edge.BaseAddress!.Port;

        var refused = await LauncherProcess.RefusedAsync(other, "--Port", $"{port}");
        await LauncherProcess.DeleteAsync(other);

        Assert.Equal((1, $"Port {port} is taken by another program: stop that one, or choose another port with --Port (up.sh: --port)."), refused);
    }
}
