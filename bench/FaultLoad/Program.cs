using System.Globalization;
using FaultLoad;
using UserSvc.Tests.Chaos;

// FaultLoad ROUNDS READS: prints a Markdown table of what clients saw in each fault, behind this project's edge and behind HAProxy, in turn.
var (rounds, reads) = (int.Parse(args[0], CultureInfo.InvariantCulture), int.Parse(args[1], CultureInfo.InvariantCulture));

(string Name, Func<ChaosSystem, Load, Task> Run)[] faults =
[
    ("one of three instances killed (SIGKILL)", Faults.KillInstanceAsync),
    ("one frozen (SIGSTOP)", Faults.FreezeInstanceAsync),
    ("one restarted (SIGTERM)", Faults.RestartInstanceAsync),
    ("all restarted in turn", Faults.RestartEveryInstanceAsync),
    ("3 → 5 → 2 → 3 instances, by configuration", (system, load) => Faults.ScaleAsync(system, load, system.Register)),
    ("configuration reloaded ten times", Faults.ReloadAsync),
    ("PostgreSQL restarted", Faults.RestartPostgresAsync),
    ("PostgreSQL killed", Faults.KillPostgresAsync),
    ("64 clients that send passwords only", Faults.FloodWithPasswordsAsync),
];
(string Name, Func<string, string, Proxy>? Start)[] proxies = [("edge", null), ("HAProxy", (_, folder) => new Haproxy(folder))];

Dictionary<(string Fault, string Proxy), List<Seen>> seen = [];
for (var round = 0; round < rounds; round++)
{
    // The proxies take turns to be first.
    foreach (var (proxy, start) in round % 2 == 0 ? proxies : proxies.Reverse())
    {
        // As shipped, the cost of hashes included.
        await using var system = await ChaosSystem.StartAsync(ProductTime.AsShipped, [], start);
        foreach (var (name, run) in faults)
        {
            await using var load = new Load(() => system.Edge.Address, reads);
            await load.StartAsync();
            var report = await load.DuringAsync(() => run(system, load));
            var lost = await load.NotReadAsync();
            if (lost.Length > 0)
            {
                throw new InvalidOperationException($"{name} behind {proxy}: acknowledged users are lost: {string.Join(", ", lost)}");
            }

            Console.Error.WriteLine($"{proxy}, {name}:\n{report}");
            if (!seen.TryGetValue((name, proxy), out var list))
            {
                seen.Add((name, proxy), list = []);
            }

            list.Add(Seen.From(report));
        }
    }
}

Console.WriteLine("| fault | proxy | GETs | failed | PUTs | failed | p50, p99, ms, before | in the 10 s from the fault | last failed or slow GET, s after the fault |");
Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
foreach (var (name, _) in faults)
{
    foreach (var (proxy, _) in proxies)
    {
        var list = seen[(name, proxy)];
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {name} | {proxy} | {list.Sum(s => s.Gets)} | {list.Sum(s => s.FailedGets)} | {list.Sum(s => s.Puts)} | {list.Sum(s => s.FailedPuts)} | {Median(s => s.Before.P50):0.0}, {Median(s => s.Before.P99):0.0} | {Median(s => s.During.P50):0.0}, {Median(s => s.During.P99):0.0} | {Median(s => s.Recovered):0.0} |"));

        double Median(Func<Seen, double> figure) => list.Select(figure).Order().ElementAt(list.Count / 2);
    }
}

Console.WriteLine();
Console.WriteLine("| primary of two PostgreSQL servers, no proxy | first write, s after the promotion | first read | median write while it is away, ms |");
Console.WriteLine("| --- | --- | --- | --- |");
(string Name, Func<Task<Failover>> Run)[] failovers =
    [("killed", Failover.AfterPrimaryKilledAsync), ("vanished, nothing refused", Failover.AfterPrimaryVanishedAsync), ("made read-only", Failover.AfterPrimaryMadeReadOnlyAsync)];
foreach (var (name, run) in failovers)
{
    await using var failover = await run();
    var back = failover.Traffic.Now;
    await failover.Traffic.WaitForAnswersAsync(300);
    var (write, read) = failover.Traffic.Back(failover.Promoted);
    await failover.Traffic.EndAsync();
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"| {name} | {write.TotalSeconds:0.0} | {read.TotalSeconds:0.0} | {failover.Traffic.Writes(back).Median.TotalMilliseconds:0} |"));
}
