using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.AppHost;

[Scenario]
public sealed class AppHostProcessTests : IDisposable
{
    private readonly int[] _ports = [Ports.Free(), Ports.Free(), Ports.Free()];
    private readonly string _folder = StateFolder.Create();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task KillThenFreeze_Services_LeaveNoProcessAndLoseNoUser()
    {
        List<Process> left;
        await using (var first = await AppHostProcess.ReadyAsync(_folder, _ports))
        {
            await first.PutAliceAsync();
            left = first.Services();
            await first.EndAsync(Signals.Kill);
        }

        await using var second = await AppHostProcess.ReadyAsync(_folder, _ports);

        Assert.Equal(HttpStatusCode.OK, await second.GetAliceAsync());
        await Eventually.HoldsAsync(() => Task.FromResult(Running(left) == ""));

        var frozen = second.Services();
        frozen.ForEach(service => Signals.Send(service.Id, Signals.Stop));

        await second.EndAsync(Signals.Terminate);

        Assert.Equal("", Running(frozen));
    }

    [Fact]
    public async Task InterruptThenStartFresh_Services_EndInOrderAndUsersAreDeleted()
    {
        await using (var first = await AppHostProcess.ReadyAsync(_folder, _ports))
        {
            await first.PutAliceAsync();
            var services = first.Services();
            var ended = new ConcurrentQueue<string>();
            var ends = services.Select(async service =>
            {
                await service.WaitForExitAsync(AppHostProcess.Cancellation);
                ended.Enqueue(service.ProcessName);
            }).ToList();

            var exitCode = await first.EndAsync(Signals.Interrupt);

            Assert.Equal((0, ""), (exitCode, Running(services)));
            await Task.WhenAll(ends);
            Assert.Equal(["UserSvc.Edge", "UserSvc.Api"], ended.Where(name => name.StartsWith("UserSvc.", StringComparison.Ordinal)));
        }

        await using var fresh = await AppHostProcess.ReadyAsync(_folder, _ports, "--Fresh", "true");

        Assert.Equal(HttpStatusCode.NotFound, await fresh.GetAliceAsync());
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
    [InlineData("--Port needs a value.", "--Port")]
    [InlineData("Unknown option '--Replica'. Known: --Replicas, --Sidecars, --Port, --HealthPort, --AdminPort, --Tls, --TlsPort, --BindAddress, --Dashboard, --Fresh, --Postgres, --StateFolder, each with a value.", "--Replica", "3")]
    public async Task Start_BadOption_IsRefusedByName(string message, params string[] options) =>
        Assert.Equal((1, message), await AppHostProcess.RunAsync(_folder, options));

    private static string Running(IEnumerable<Process> services) =>
        string.Join(' ', services.Where(service => LinuxProcess.State(service.Id) is not (null or 'Z')).Select(service => $"{service.ProcessName} {service.Id}"));
}
