namespace UserSvc.Tests.AppHost.Standalone;

/// <summary>One running system for the tests that leave it as it was.</summary>
public sealed class RunningSystem : IAsyncLifetime
{
    internal string StateFolder { get; } = Directory.CreateTempSubdirectory("usersvc-system-").FullName;

    internal LauncherProcess Launcher { get; private set; } = null!;

    public async ValueTask InitializeAsync() => Launcher = await LauncherProcess.ReadyAsync(StateFolder);

    public async ValueTask DisposeAsync()
    {
        await (Launcher?.DisposeAsync() ?? ValueTask.CompletedTask);
        await LauncherProcess.DeleteAsync(StateFolder);
    }
}
