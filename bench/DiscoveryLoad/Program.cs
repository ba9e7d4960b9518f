using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using UserSvc.Tests.Edge.Discovery;
using Yarp.ReverseProxy;

// A fake Kubernetes API on loopback that replaces the pods of a Service one by one.
//   DiscoveryLoad latency ENDPOINTS CHANGES             runs an edge in this process; prints the p50, p99 and longest time in ms from
//                                                       before a change is sent until the edge's cluster has the new pod
//   DiscoveryLoad cost ENDPOINTS SECONDS PORT URL PID   for an edge in another process, by health URL and process id; prints its CPU
//                                                       without changes and with ten a second, in % of a core, and its memory in MB
const int PerSlice = 100;
var endpoints = Number(1);
var pods = Enumerable.Range(0, endpoints).ToArray();
var next = endpoints;

await using var api = new KubernetesApi(args[0] == "cost" ? Number(3) : 0);
for (var slice = 0; slice * PerSlice < endpoints; slice++)
{
    SetSlice(slice);
}

await api.StartAsync();
Console.WriteLine(args[0] == "cost" ? await CostAsync(Number(2)) : await LatencyAsync(Number(2)));

async Task<string> LatencyAsync(int changes)
{
    await using var edge = UserSvc.Edge.Program.Build(
    [
        $"--contentRoot={AppContext.BaseDirectory}", "--Logging:LogLevel:Default=None", "--Drain:Time=00:00:00",
        "--Kestrel:Endpoints:Http:Url=http://127.0.0.1:0", "--Kestrel:Endpoints:Health:Url=http://127.0.0.1:0",
        "--Kestrel:Endpoints:Admin:Url=http://127.0.0.1:0",
        "--ReverseProxy:Clusters:usersvc:HealthCheck:Active:Enabled=false",
        "--ReverseProxy:Clusters:usersvc:Destinations:all:Address=k8s+http://usersvc/http",
        $"--Edge:Discovery:Kubernetes:ApiServer={api.Address}", "--Edge:Discovery:Kubernetes:Namespace=users",
    ]);
    await edge.StartAsync();
    var proxy = edge.Services.GetRequiredService<IProxyStateLookup>();
    await RoutedAsync(proxy, pods[^1]);

    var took = new List<double>();
    // The first ones measure the JIT.
    for (var i = -30; i < changes; i++)
    {
        await Task.Delay(Random.Shared.Next(30, 100));
        var began = Stopwatch.GetTimestamp();
        await RoutedAsync(proxy, Change());
        took.Add(Stopwatch.GetElapsedTime(began).TotalMilliseconds);
    }

    var sorted = took.Skip(30).Order().ToList();
    await edge.StopAsync();
    return string.Create(CultureInfo.InvariantCulture, $"{sorted[sorted.Count / 2]:0.0} {sorted[(int)(sorted.Count * 0.99)]:0.0} {sorted[^1]:0.0}");
}

async Task RoutedAsync(IProxyStateLookup proxy, int pod)
{
    var began = Stopwatch.GetTimestamp();
    while (!proxy.TryGetCluster("usersvc", out var cluster) || !cluster.DestinationsState.AvailableDestinations.Any(d => d.DestinationId == $"pod-{pod}-uid"))
    {
        if (Stopwatch.GetElapsedTime(began) > TimeSpan.FromSeconds(30))
        {
            throw new TimeoutException($"The edge does not know pod-{pod}.");
        }

        await Task.Delay(1);
    }
}

async Task<string> CostAsync(int seconds)
{
    using var edge = new HttpClient { BaseAddress = new(args[4]) };
    using var process = Process.GetProcessById(Number(5));
    while (!(await edge.GetAsync("/ready")).IsSuccessStatusCode)
    {
        await Task.Delay(100);
    }

    // Leaves out the cost of the start and the first changes.
    await CpuAsync(process, 10, 5);
    var idle = await CpuAsync(process, 0, seconds);
    var busy = await CpuAsync(process, 10, seconds);
    process.Refresh();
    return string.Create(CultureInfo.InvariantCulture, $"{idle:0.0} {busy:0.0} {process.WorkingSet64 / 1048576}");
}

async Task<double> CpuAsync(Process process, int perSecond, int seconds)
{
    process.Refresh();
    var (before, began) = (process.TotalProcessorTime, Stopwatch.GetTimestamp());
    for (var i = 1; i <= Math.Max(1, seconds * perSecond); i++)
    {
        if (perSecond > 0)
        {
            Change();
        }

        var due = TimeSpan.FromSeconds(perSecond > 0 ? (double)i / perSecond : seconds) - Stopwatch.GetElapsedTime(began);
        await Task.Delay(due > TimeSpan.Zero ? due : TimeSpan.Zero);
    }

    process.Refresh();
    return (process.TotalProcessorTime - before) / Stopwatch.GetElapsedTime(began) * 100;
}

// Replaces one pod with a new one.
int Change()
{
    var at = next % endpoints;
    pods[at] = next;
    SetSlice(at / PerSlice);
    return next++;
}

void SetSlice(int slice) => api.Set($"usersvc-{slice}", Slices.Create(8080, pods.Skip(slice * PerSlice).Take(PerSlice).Select(p => ($"pod-{p}", $"10.{p >> 16}.{(p >> 8) & 255}.{p & 255}"))));

int Number(int argument) => int.Parse(args[argument], CultureInfo.InvariantCulture);
