using System.Text.Json;
using UserSvc.Tests.Edge;

namespace UserSvc.Tests.Chaos;

/// <summary>An edge with a copy of the shipped appsettings.json, and its destinations in a second file that <see cref="Route"/> rewrites while it runs.</summary>
internal sealed class ChaosEdge : Proxy
{
    private readonly string _settings;
    private readonly Uri _health;

    public ChaosEdge(string name, string folder, IEnumerable<(string Key, string Value)> settings)
    {
        var contentRoot = Path.Combine(folder, name);
        Directory.CreateDirectory(contentRoot);
        File.Copy(Path.Combine(EdgeHost.ContentRoot, "appsettings.json"), Path.Combine(contentRoot, "appsettings.json"), overwrite: true);
        _settings = Path.Combine(contentRoot, "appsettings.Production.json");
        _health = new($"http://127.0.0.1:{FreePort()}");
        Address = new($"http://127.0.0.1:{FreePort()}");
        Process = new(name, ServiceProcess.Command(typeof(UserSvc.Edge.Program).Assembly,
        [
            $"--contentRoot={contentRoot}",
            "--environment=Production",
            $"--Instance:Name={name}",
            "--Instance:Address=127.0.0.1",
            $"--Kestrel:Endpoints:Http:Url={Address}",
            $"--Kestrel:Endpoints:Health:Url={_health}",
            "--Kestrel:Endpoints:Admin:Url=http://127.0.0.1:0",
            .. settings.Select(s => $"--{s.Key}={s.Value}"),
        ]), new(_health, "/ready"), Path.Combine(folder, $"{name}.log"));
    }

    public override ServiceProcess Process { get; }

    public override Uri Address { get; }

    public override void Route(params IEnumerable<(string Name, string Address)> destinations)
    {
        var settings = new
        {
            ReverseProxy = new { Clusters = new { usersvc = new { Destinations = destinations.ToDictionary(d => d.Name, d => new { d.Address }) } } },
        };
        // Replaced as a whole, like a ConfigMap's file: the edge never reads half of it.
        File.WriteAllBytes(_settings + ".new", JsonSerializer.SerializeToUtf8Bytes(settings));
        File.Move(_settings + ".new", _settings, overwrite: true);
    }

    public override async Task<string> CountersAsync()
    {
        using var client = new HttpClient { Timeout = TimeSpan.FromSeconds(10) };
        var lines = (await client.GetStringAsync(new Uri(_health, "/stats/prometheus"))).Split('\n');
        return string.Join('\n', lines.Where(line => line is [not '#', ..] && !line.Contains("_bucket", StringComparison.Ordinal) && !line.EndsWith(" 0", StringComparison.Ordinal)));
    }
}
