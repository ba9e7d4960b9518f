using System.Diagnostics;
using System.Globalization;
using Attacks;
using UserSvc.Tests.Attacks;
using UserSvc.Tests.Chaos;

// Attacks SECONDS NAMES: runs each attack, or those named, separated by commas, against an edge of its own over three instances with the shipped
// settings, and then against HAProxy. Prints a row of a Markdown table for each: what a quiet client saw before and meanwhile and, of the edge, what is
// not as before 10 s after the end.
var (duration, names) = (TimeSpan.FromSeconds(int.Parse(args[0], CultureInfo.InvariantCulture)), args[1].Split(',', StringSplitOptions.RemoveEmptyEntries));
var patience = TimeSpan.FromSeconds(5);
var period = TimeSpan.FromMilliseconds(20);
var recovery = TimeSpan.FromSeconds(10);
var all = Attack.All().Select(a => a.Name).ToList();
if (names.Except(all).FirstOrDefault() is { } unknown)
{
    Console.Error.WriteLine($"There is no attack '{unknown}'. There are {string.Join(", ", all)}.");
    return 1;
}

var folder = Directory.CreateTempSubdirectory("usersvc-attacks-");
await using var system = await ChaosSystem.StartAsync(ProductTime.AsShipped, []);
foreach (var name in all.Where(name => names.Length == 0 || names.Contains(name)))
{
    await using (var edge = await AttackTarget.StartAsync(system))
    {
        Console.WriteLine(await RowAsync(name, edge));
    }

    // HAProxy has no events.
    if (name != new StalledEvents().Name)
    {
        await using var haproxy = await AttackTarget.StartAsync(target => Haproxy.StartAsync(system, target, folder.FullName));
        Console.WriteLine(await RowAsync(name, haproxy));
    }
}

folder.Delete(recursive: true);
return 0;

async Task<string> RowAsync(string name, AttackTarget target)
{
    var attack = Attack.All().Single(a => a.Name == name);
    using var process = Process.GetProcessById(target.Proxy.Process.Id);
    // Leaves out what a process compiles at its first requests.
    await QuietClient.RunAsync(target.User(attack), 2_000, patience, TimeSpan.FromMilliseconds(2));
    var requests = (int)(duration / period);
    var before = await QuietClient.RunAsync(target.User(attack), Math.Min(requests, 500), patience, period);
    var (memory, log) = (Memory(), LogLines());

    using var ending = new CancellationTokenSource();
    var attacking = attack.RunAsync(target, attack.Clients, 50, ending.Token);
    var during = await QuietClient.RunAsync(target.User(attack), requests, patience, period);
    await ending.CancelAsync();
    await attacking;
    var lines = (LogLines() - log) / duration.TotalSeconds;

    var failures = during.Failures is [] ? "0" : string.Join(", ", during.Failures.CountBy(f => f).Select(f => $"{f.Value} × {f.Key}"));
    var end = await EndAsync();
    return string.Create(CultureInfo.InvariantCulture,
        $"| {name} | {(target.Proxy is Haproxy ? "HAProxy" : "edge")} | {attack.Done.Connections} | {attack.Done.Requests} | {during.Requests} | {failures} | {before.P50:0.0}, {before.P99:0.0} | {during.P50:0.0}, {during.P99:0.0} | {during.P99 / before.P99:0.0} | {end} |");

    async Task<string> EndAsync()
    {
        if (target.Proxy is Haproxy)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{memory}, {Memory()} | | |");
        }

        var (after, took) = await RecoveredAsync(target);
        var ejections = (await target.ReadStatsAsync())["cluster.usersvc.outlier_detection.ejections_enforced_total"];
        return string.Create(CultureInfo.InvariantCulture,
            $"{memory}, {Memory()} | {(after == EdgeState.AtRest ? $"after {took.TotalSeconds:0.0} s" : $"no: {after}")} | {lines:0.0} | {ejections}");
    }

    long Memory()
    {
        process.Refresh();
        return process.WorkingSet64 / 1_048_576;
    }

    // An entry's further lines are indented.
    int LogLines() => ChaosSystem.All.Select(instance => system[instance]).Append(target.Proxy.Process)
        .Sum(p => p.Log.Split('\n').Count(line => line is [not ' ', ..] && !line.Contains("UserSvc.Audit", StringComparison.Ordinal)));
}

async Task<(EdgeState State, TimeSpan Took)> RecoveredAsync(AttackTarget target)
{
    var began = Stopwatch.GetTimestamp();
    while (true)
    {
        var state = await EdgeState.ReadAsync(target);
        if (state == EdgeState.AtRest || Stopwatch.GetElapsedTime(began) > recovery)
        {
            return (state, Stopwatch.GetElapsedTime(began));
        }

        await Task.Delay(100);
    }
}
