using System.Globalization;
using UserSvc.AppHost.Processes;
using UserSvc.Tests.Chaos;
using UserSvc.Tests.Edge;

namespace UserSvc.Tests.Attacks;

/// <summary>A proxy in a process of its own, with an https listener, over the instances of a running system: the edge or, in the benchmark, a peer.</summary>
internal sealed class AttackTarget : IAsyncDisposable
{
    public const string Password = "a long password";

    private AttackTarget() => Certificate.Write(Certificate.Issue("localhost"));

    public PemFiles Certificate { get; } = new();

    public Proxy Proxy { get; private set; } = null!;

    public Uri Http => Proxy.Address;

    public Uri Https { get; } = new($"https://127.0.0.1:{Ports.Free()}");

    public Uri Admin { get; } = new($"http://127.0.0.1:{Ports.Free()}");

    /// <summary>Starts an edge with these settings.</summary>
    public static Task<AttackTarget> StartAsync(ChaosSystem system, params IEnumerable<(string Key, string Value)> settings) =>
        StartAsync(target => system.AddEdgeAsync("edge-attacked", new Registry.Static(),
        [
            .. target.Certificate.Settings,
            ("Kestrel:Endpoints:Https:Url", $"{target.Https}"),
            ("Kestrel:Endpoints:Admin:Url", $"{target.Admin}"),
            .. settings,
        ]));

    /// <summary>Starts a proxy and creates the users that clients read: <c>quiet</c>, and <c>large</c> with a full name of 2,048 characters.</summary>
    public static async Task<AttackTarget> StartAsync(Func<AttackTarget, Task<Proxy>> start)
    {
        var target = new AttackTarget();
        target.Proxy = await start(target);
        using var client = new HttpClient { BaseAddress = target.Http };
        await client.PutUserAsync("quiet", "Quiet", Password);
        await client.PutUserAsync("large", new string('é', 2048), Password);
        return target;
    }

    /// <summary>What the quiet client reads during this attack.</summary>
    public Uri User(Attack attack) => new(attack.OverTls ? Https : Http, "/user/quiet");

    /// <summary>The edge's counters and gauges by name.</summary>
    public async Task<IReadOnlyDictionary<string, double>> ReadStatsAsync()
    {
        using var client = new HttpClient { DefaultRequestHeaders = { ConnectionClose = true } };
        var stats = await client.GetStringAsync(new Uri(Admin, "/stats"), TestContext.Current.CancellationToken);
        return stats.Split('\n')
            .Select(line => (Name: line[..Math.Max(0, line.LastIndexOf(": ", StringComparison.Ordinal))], Value: line[(line.LastIndexOf(' ') + 1)..]))
            .Where(stat => double.TryParse(stat.Value, CultureInfo.InvariantCulture, out _))
            .ToDictionary(stat => stat.Name, stat => double.Parse(stat.Value, CultureInfo.InvariantCulture));
    }

    public async ValueTask DisposeAsync()
    {
        await Proxy.DisposeAsync();
        Certificate.Dispose();
    }
}
