using System.Diagnostics;
using System.Globalization;
using UserSvc.Tests.Attacks;
using UserSvc.Tests.Chaos;

// Attacks SECONDS NAMES: runs each attack, or those named, separated by commas, against an edge of its own over three instances with the shipped
// settings, and prints a row of a Markdown table: what a quiet client saw before and meanwhile, and what is not as before 10 s after the end.
var (duration, names) = (TimeSpan.FromSeconds(int.Parse(args[0], CultureInfo.InvariantCulture)), args[1].Split(',', StringSplitOptions.RemoveEmptyEntries));
var patience = TimeSpan.FromSeconds(5);
var period = TimeSpan.FromMilliseconds(20);
var recovery = TimeSpan.FromSeconds(10);
var attacks = Attack.All().Where(a => names.Length == 0 || names.Contains(a.Name)).ToList();
if (names.Except(attacks.Select(a => a.Name)).FirstOrDefault() is { } unknown)
{
    Console.Error.WriteLine($"There is no attack '{unknown}'. There are {string.Join(", ", Attack.All().Select(a => a.Name))}.");
    return 1;
}

await using var system = await ChaosSystem.StartAsync(ProductTime.AsShipped, []);
foreach (var attack in attacks)
{
    Console.WriteLine(await RowAsync(attack));
}

return 0;

async Task<string> RowAsync(Attack attack)
{
    await using var target = await AttackTarget.StartAsync(system);
    using var edge = Process.GetProcessById(target.Edge.Process.Id);
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
    var (after, took) = await RecoveredAsync(target);

    var ejections = (await target.ReadStatsAsync())["cluster.usersvc.outlier_detection.ejections_enforced_total"];
    var failures = string.Join(", ", during.Failures.CountBy(f => f).Select(f => $"{f.Value} × {f.Key}"));
    return string.Create(CultureInfo.InvariantCulture,
        $"| {attack.Name} | {attack.Done.Connections} | {attack.Done.Requests} | {during.Requests} | {(failures == "" ? "0" : failures)} | {before.P50:0.0}, {before.P99:0.0} | {during.P50:0.0}, {during.P99:0.0} | {during.P99 / before.P99:0.0} | {(after == EdgeState.AtRest ? $"after {took.TotalSeconds:0.0} s" : $"no: {after}")} | {memory}, {Memory()} | {lines:0.0} | {ejections} |");

    long Memory()
    {
        edge.Refresh();
        return edge.WorkingSet64 / 1_048_576;
    }

    int LogLines() => ChaosSystem.All.Select(name => system[name]).Append(target.Edge.Process).Sum(process => process.Log.Count(c => c == '\n'));
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
