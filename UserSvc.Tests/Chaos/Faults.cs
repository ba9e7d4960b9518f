namespace UserSvc.Tests.Chaos;

/// <summary>Faults under load. Each method injects one and returns when the system has recovered. Tests and <c>bench/faults.sh</c> share them.</summary>
internal static class Faults
{
    private const string Second = "usersvc-2";

    // Reads while an instance is away: about two seconds' worth.
    private const int Away = 1_500;

    public static async Task KillInstanceAsync(ChaosSystem system, Load load)
    {
        await system[Second].KillAsync();
        await load.ReadsAsync(Away);
        await system[Second].StartAsync();
        await load.IsAnsweredByAsync(Second);
    }

    public static async Task RestartInstanceAsync(ChaosSystem system, Load load)
    {
        await system[Second].StopAsync();
        await load.ReadsAsync(Away);
        await system[Second].StartAsync();
        await load.IsAnsweredByAsync(Second);
    }

    public static async Task FreezeInstanceAsync(ChaosSystem system, Load load)
    {
        system[Second].Freeze();
        await load.IsAnsweredOnlyByAsync("usersvc-1", "usersvc-3");
        await load.ReadsAsync(Away);
        system[Second].Thaw();
        await load.IsAnsweredByAsync(Second);
    }

    public static async Task RestartEveryInstanceAsync(ChaosSystem system, Load load)
    {
        foreach (var instance in ChaosSystem.All)
        {
            await system[instance].StopAsync();
            await system[instance].StartAsync();
            await load.IsAnsweredByAsync(instance);
        }

        await load.IsAnsweredOnlyByAsync(ChaosSystem.All);
    }

    public static async Task RestartPostgresAsync(ChaosSystem system, Load load)
    {
        await system.Postgres.StopAsync();
        await load.IsFailingAsync();
        await system.Postgres.StartAsync(TestContext.Current.CancellationToken);
        await load.IsAnsweredOnlyByAsync(ChaosSystem.All);
    }

    public static async Task KillPostgresAsync(ChaosSystem system, Load load)
    {
        // PostgresServer restarts it.
        system.Postgres.Kill();
        await load.IsFailingAsync();
        await load.IsAnsweredOnlyByAsync(ChaosSystem.All);
    }

    /// <summary>
    /// 64 clients, the load's writers included, that only send passwords. An instance lets about that many wait; on a starved machine one gets them all.
    /// </summary>
    public static Task FloodWithPasswordsAsync(ChaosSystem system, Load load) => load.FloodAsync(clients: 64 - Load.Writers, requestsOfEach: 20);

    public static async Task ReloadAsync(ChaosSystem system, Load load)
    {
        for (var i = 0; i < 5; i++)
        {
            // Changes the order and the set each time; two instances stay.
            system.Register("usersvc-3", "usersvc-1");
            await load.IsAnsweredOnlyByAsync("usersvc-1", "usersvc-3");
            system.Register(ChaosSystem.All);
            await load.IsAnsweredOnlyByAsync(ChaosSystem.All);
        }
    }

    /// <summary>Restarts the first of two edges behind a load balancer.</summary>
    public static async Task RestartEdgeAsync(ChaosSystem system, Load load, LoadBalancer balancer)
    {
        await system.Edge.Process.StopAsync();
        await load.ReadsAsync(Away);
        await system.Edge.Process.StartAsync();
        await balancer.HasInRotationAsync(2);
    }

    /// <summary>Scales from 3 instances to 5, to 2, and back; <paramref name="register"/> tells the edge which ones exist.</summary>
    public static async Task ScaleAsync(ChaosSystem system, Load load, Action<string[]> register)
    {
        string[] five = [.. ChaosSystem.All, "usersvc-4", "usersvc-5"], two = ["usersvc-1", "usersvc-2"];
        await Task.WhenAll(five[3..].Select(name => system[name].StartAsync()));
        register(five);
        await load.IsAnsweredOnlyByAsync(five);
        // An orchestrator tells the edge and signals the instances at the same time.
        register(two);
        await Task.WhenAll(five[2..].Select(name => system[name].StopAsync()));
        await load.IsAnsweredOnlyByAsync(two);
        await system["usersvc-3"].StartAsync();
        register(ChaosSystem.All);
        await load.IsAnsweredOnlyByAsync(ChaosSystem.All);
    }
}
