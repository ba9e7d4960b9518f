namespace UserSvc.Tests.Chaos;

/// <summary>An instance fails under load. No read fails, and at most one write of each writer.</summary>
[Scenario]
[Collection(typeof(OneByOne))]
public sealed class InstanceFaultTests(SharedSystem shared)
{
    [Fact]
    public Task Kill_OneInstance_FailsNoRead() => shared.RunAsync(Faults.KillInstanceAsync, SharedSystem.IsHidden);

    [Fact]
    public Task Restart_OneInstance_FailsNoRead() => shared.RunAsync(Faults.RestartInstanceAsync, SharedSystem.IsHidden);

    [Fact]
    public Task Freeze_OneInstance_FailsNoRead() => shared.RunAsync(Faults.FreezeInstanceAsync, SharedSystem.IsHidden);

    [Fact]
    public Task RollingRestart_AllInstances_FailsNoRead() => shared.RunAsync(Faults.RestartEveryInstanceAsync, SharedSystem.IsHidden);

    [Fact]
    public Task PasswordFlood_64Clients_FailsNothingAndTakesNoInstanceOut() => shared.RunAsync(
        async (system, load) =>
        {
            var before = system.Edge.Process.Log.Length;
            await Faults.FloodWithPasswordsAsync(system, load);
            string[] taken = ["is ejected", "Unhealthy"];
            Assert.Equal([], system.Edge.Process.Log[before..].Split('\n').Where(line => taken.Any(word => line.Contains(word, StringComparison.Ordinal))));
        },
        report =>
        {
            Assert.Equal(([], [], []), (report.FailedGets, report.FailedPuts, report.FailedVerifications));
            Assert.Equal(ChaosSystem.All, report.GetsDuring.Select(g => g.Hostname!).Distinct().Order());
        });
}
