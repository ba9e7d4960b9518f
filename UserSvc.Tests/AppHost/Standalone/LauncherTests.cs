using System.Diagnostics;
using System.Net;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.AppHost.Standalone;

public sealed class LauncherTests : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("usersvc-system-").FullName;

    [Fact]
    public async Task Terminate_RunningSystem_LeavesNoProcessWithinTenSeconds()
    {
        await using var launcher = await LauncherProcess.ReadyAsync(_folder);
        var children = launcher.Children();

        var elapsed = Stopwatch.StartNew();
        launcher.Send(Signals.Terminate);
        var exitCode = await launcher.ExitCodeAsync();

        Assert.True(elapsed.Elapsed < TimeSpan.FromSeconds(10), $"It took {elapsed.Elapsed}.");
        Assert.Equal((0, []), (exitCode, children.Where(child => !child.HasExited).Select(child => child.ProcessName).ToArray()));
    }

    [Fact]
    public async Task Terminate_EveryProcessFrozen_LeavesNoProcessWithinTenSeconds()
    {
        await using var launcher = await LauncherProcess.ReadyAsync(_folder);
        var children = launcher.Children();
        children.ForEach(child => Signals.Send(child.Id, Signals.Stop));

        var elapsed = Stopwatch.StartNew();
        launcher.Send(Signals.Terminate);
        await launcher.ExitCodeAsync();

        Assert.True(elapsed.Elapsed < TimeSpan.FromSeconds(10), $"It took {elapsed.Elapsed}.");
        Assert.Empty(children.Where(child => !child.HasExited).Select(child => child.ProcessName));
    }

    [Fact]
    public async Task Restart_SameFolder_KeepsUsers()
    {
        await using (var first = await LauncherProcess.ReadyAsync(_folder, "--Replicas", "1"))
        {
            await first.PutAliceAsync();
        }

        await using var second = await LauncherProcess.ReadyAsync(_folder, "--Replicas", "1");

        Assert.Equal(HttpStatusCode.OK, await second.GetAliceAsync());
    }

    [Fact]
    public async Task Restart_Fresh_StartsEmpty()
    {
        await using (var first = await LauncherProcess.ReadyAsync(_folder, "--Replicas", "1"))
        {
            await first.PutAliceAsync();
        }

        await using var second = await LauncherProcess.ReadyAsync(_folder, "--Replicas", "1", "--Fresh", "true");

        Assert.Equal(HttpStatusCode.NotFound, await second.GetAliceAsync());
    }

    [Fact]
    public async Task Restart_AfterTheLauncherWasKilled_EndsWhatItLeftAndKeepsUsers()
    {
        List<Process> left;
        await using (var first = await LauncherProcess.ReadyAsync(_folder, "--Replicas", "1"))
        {
            await first.PutAliceAsync();
            left = first.Children();
            first.Send(Signals.Kill);
            await first.ExitCodeAsync();
        }

        await using var second = await LauncherProcess.ReadyAsync(_folder, "--Replicas", "1");

        Assert.Empty(left.Where(child => !child.HasExited).Select(child => child.ProcessName));
        Assert.Equal(HttpStatusCode.OK, await second.GetAliceAsync());
    }

    [Fact]
    public async Task Sidecars_AskedFor_StandBeforeEachInstance()
    {
        await using var launcher = await LauncherProcess.ReadyAsync(_folder, "--Replicas", "2", "--Sidecars", "true");

        var names = launcher.Children().Select(child => child.ProcessName).Where(name => name.StartsWith("UserSvc", StringComparison.Ordinal));
        var put = await launcher.PutAliceAsync();

        Assert.Equal(["UserSvc.Api", "UserSvc.Api", "UserSvc.Edge", "UserSvc.Edge", "UserSvc.Edge"], names.Order());
        Assert.Equal((HttpStatusCode.Created, "usersvc-1 usersvc-2"), (put, await launcher.AnsweringAsync(4)));
    }

    [Fact]
    public async Task Tls_AskedFor_ServesTheEdgeWithACertificateThatItsFileMakesTrusted()
    {
        var port = Ports.Free();
        await using var launcher = await LauncherProcess.ReadyAsync(_folder, "--Replicas", "1", "--Tls", "true", "--TlsPort", $"{port}");
        using var client = TrustedClient.Of(Path.Combine(_folder, "tls", "localhost.crt"), new($"https://localhost:{port}"));

        var answer = await client.GetAsync("/user/health", LauncherProcess.Cancellation);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Theory]
    [InlineData("Replicas must be a whole number from 1 to 20, not '0'.", "--Replicas", "0")]
    [InlineData("Replicas must be a whole number from 1 to 20, not 'many'.", "--Replicas=many")]
    [InlineData("Port must be a whole number from 1 to 65535, not '65536'.", "--Port", "65536")]
    [InlineData("HealthPort must be a whole number from 1 to 65535, not '-1'.", "--HealthPort", "-1")]
    [InlineData("AdminPort must be a whole number from 1 to 65535, not 'none'.", "--AdminPort", "none")]
    [InlineData("Sidecars must be true or false, not 'all'.", "--Sidecars", "all")]
    [InlineData("TlsPort must be a whole number from 1 to 65535, not '0'.", "--TlsPort", "0")]
    [InlineData("Postgres must be Container or Local, not 'remote'.", "--Postgres", "remote")]
    [InlineData("Fresh must be true or false, not 'yes'.", "--Fresh", "yes")]
    [InlineData("--Port lacks its value.", "--Port")]
    [InlineData("Unknown option '--Replica'. Known: --Replicas, --Sidecars, --Port, --HealthPort, --AdminPort, --Tls, --TlsPort, --BindAddress, --Dashboard, --Fresh, --Postgres, --StateFolder, each with a value.", "--Replica", "3")]
    public async Task Start_BadOption_IsRefusedByName(string message, params string[] options)
    {
        var refused = await LauncherProcess.RefusedAsync(_folder, options);

        Assert.Equal((1, message), refused);
    }

    public async ValueTask DisposeAsync() => await LauncherProcess.DeleteAsync(_folder);
}
