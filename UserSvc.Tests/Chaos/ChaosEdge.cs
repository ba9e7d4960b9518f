using System.Text.Json;
using UserSvc.AppHost.Processes;
using UserSvc.Tests.Edge;

namespace UserSvc.Tests.Chaos;

/// <summary>
/// An edge as it is shipped, in a folder of its own: its appsettings.json, and beside it what an operator adds, the destinations, in a
/// file that may be written anew while it runs.
/// </summary>
internal sealed class ChaosEdge : IAsyncDisposable
{
    private readonly string _settings;

    public ChaosEdge(string name, string folder, IEnumerable<(string Key, string Value)> settings)
    {
        var (http, health) = (Ports.Free(), Ports.Free());
        var contentRoot = Path.Combine(folder, name);
        Directory.CreateDirectory(contentRoot);
        File.Copy(Path.Combine(EdgeHost.ContentRoot, "appsettings.json"), Path.Combine(contentRoot, "appsettings.json"), overwrite: true);
        _settings = Path.Combine(contentRoot, "appsettings.Production.json");
        Address = new($"http://127.0.0.1:{http}");
        Process = new(name, typeof(UserSvc.Edge.Program).Assembly, new($"http://127.0.0.1:{health}/ready"), Path.Combine(folder, $"{name}.log"),
        [
            $"--contentRoot={contentRoot}",
            "--environment=Production",
            $"--Instance:Name={name}",
            "--Instance:Address=127.0.0.1",
            $"--Kestrel:Endpoints:Http:Url={Address}",
            $"--Kestrel:Endpoints:Health:Url=http://127.0.0.1:{health}",
            "--Kestrel:Endpoints:Admin:Url=http://127.0.0.1:0",
            .. settings.Select(s => $"--{s.Key}={s.Value}"),
        ]);
    }

    public ServiceProcess Process { get; }

    public Uri Address { get; }

    public void Route(params IEnumerable<(string Name, string Address)> destinations)
    {
        var settings = new
        {
            ReverseProxy = new { Clusters = new { usersvc = new { Destinations = destinations.ToDictionary(d => d.Name, d => new { d.Address }) } } },
        };
        // As a whole, like a ConfigMap's file: a reader never sees half of it.
        File.WriteAllBytes(_settings + ".new", JsonSerializer.SerializeToUtf8Bytes(settings));
        File.Move(_settings + ".new", _settings, overwrite: true);
    }

    public ValueTask DisposeAsync() => Process.DisposeAsync();
}
