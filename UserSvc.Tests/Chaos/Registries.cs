using System.Text.Json;
using UserSvc.Tests.Edge.Discovery;

namespace UserSvc.Tests.Chaos;

/// <summary>Creates a registry of each kind.</summary>
internal static class Registries
{
    /// <param name="kind"><c>static</c>, <c>dns</c>, <c>sds</c> or <c>k8s</c>.</param>
    public static async Task<Registry> StartAsync(string kind)
    {
        switch (kind)
        {
            case "dns":
                Assert.SkipUnless(OperatingSystem.IsLinux(), "Address records have no port, so every instance needs its own address; only Linux has all of 127.0.0.0/8.");
                return new Dns();
            case "sds":
                return new Sds(await SdsServer.StartAsync("""{"hosts":[]}"""));
            case "k8s":
                var api = new KubernetesApi();
                await api.StartAsync();
                return new EndpointSlices(api);
            default:
                return new Registry.Static();
        }
    }

    private sealed class Dns : Registry
    {
        private const string Name = "usersvc.test";

        private readonly DnsServer _server = new() { Ttl = 1 };

        public override string Destination => $"dns+http://{Name}:{ChaosSystem.InstancePort}";

        public override (string, string)[] EdgeSettings => [("Edge:Discovery:Dns:Server", _server.EndPoint)];

        public override void Register(Proxy edge, IReadOnlyDictionary<string, Uri> instances) => _server.Names[Name] = [.. instances.Values.Select(a => a.Host)];

        public override ValueTask DisposeAsync() => _server.DisposeAsync();
    }

    private sealed class Sds(SdsServer server) : Registry
    {
        public override string Destination => $"sds+http://{server.Authority}/usersvc";

        public override (string, string)[] EdgeSettings => [("Edge:Discovery:Sds:Interval", "00:00:01")];

        public override void Register(Proxy edge, IReadOnlyDictionary<string, Uri> instances) =>
            server.AnswerWith(JsonSerializer.Serialize(new { hosts = instances.Values.Select(a => new { ip_address = a.Host, port = a.Port }) }));

        public override ValueTask DisposeAsync() => server.DisposeAsync();
    }

    private sealed class EndpointSlices(KubernetesApi api) : Registry
    {
        private readonly Dictionary<string, Uri> _known = [];

        public override string Destination => "k8s+http://usersvc/http";

        public override (string, string)[] EdgeSettings =>
            [("Edge:Discovery:Kubernetes:ApiServer", api.Address), ("Edge:Discovery:Kubernetes:Namespace", "users")];

        // All endpoints of a slice share a port, so each instance gets a slice.
        public override void Register(Proxy edge, IReadOnlyDictionary<string, Uri> instances)
        {
            foreach (var (name, address) in instances)
            {
                _known[name] = address;
            }

            foreach (var (name, address) in _known)
            {
                api.Set(name, Slices.Create(address.Port, instances.ContainsKey(name) ? [(name, address.Host)] : []));
            }
        }

        public override ValueTask DisposeAsync() => api.DisposeAsync();
    }
}
