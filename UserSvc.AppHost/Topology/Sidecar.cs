using UserSvc.AppHost.Processes;

namespace UserSvc.AppHost.Topology;

/// <summary>
/// A proxy beside one instance, through which alone it is reached. On one machine instances share their address, and so the sidecars
/// have ports of their own where in pods each would have 8080, 8001 and 8002.
/// </summary>
internal sealed record Sidecar(string Name, int Port, int HealthPort, int AdminPort)
{
    public string Address => $"http://127.0.0.1:{Port}";

    public static string NameOf(string instance) => $"{instance}-sidecar";

    public static Sidecar Of(string instance) => new(NameOf(instance), Ports.Free(), Ports.Free(), Ports.Free());

    /// <param name="instance">Where the instance listens.</param>
    public IEnumerable<(string Name, string Value)> Environment(string instance) =>
    [
        ("Edge__Mode", "Sidecar"),
        ("Edge__TrustedProxies__0", "127.0.0.1"),
        ("Kestrel__Endpoints__Http__Url", Address),
        ("Kestrel__Endpoints__Health__Url", $"http://127.0.0.1:{HealthPort}"),
        ("Kestrel__Endpoints__Admin__Url", $"http://127.0.0.1:{AdminPort}"),
        ("ReverseProxy__Clusters__usersvc__Destinations__local__Address", instance),
    ];
}
