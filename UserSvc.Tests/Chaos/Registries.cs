using System.Text.Json;
using UserSvc.AppHost.Processes;
using UserSvc.Tests.Edge.Discovery;

namespace UserSvc.Tests.Chaos;

/// <summary>A registry of each kind.</summary>
internal static class Registries
{
    /// <param name="kind"><c>static</c>, <c>dns</c>, <c>sds</c> or <c>k8s</c>.</param>
    public static async Task<Registry> StartAsync(string kind)
    {
        switch (kind)
        {
            case "dns":
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

    /// <summary>Address records, so all instances have one port, each on an address of its own (all of 127.0.0.0/8 is loopback on Linux).</summary>
    private sealed class Dns : Registry
    {
        private const string Name = "usersvc.test";

        private readonly DnsServer _server = new() { Ttl = 1 };
        private readonly int _port = Ports.Free();

        public override string Destination => $"dns+http://{Name}:{_port}";

        public override (string, string)[] EdgeSettings => [("Edge:Discovery:Dns:Server", _server.EndPoint)];

        public override Uri Address(int instance) => new($"http://127.0.1.{instance}:{_port}");

        public override void Register(ChaosSystem system, IReadOnlyList<string> instances) =>
            _server.Names[Name] = [.. instances.Select(i => system.Addresses[i].Host)];

        public override ValueTask DisposeAsync() => _server.DisposeAsync();
    }

    private sealed class Sds(SdsServer server) : Registry
    {
        public override string Destination => $"sds+http://{server.Authority}/usersvc";

        public override (string, string)[] EdgeSettings => [("Edge:Discovery:Sds:Interval", "00:00:01")];

        public override void Register(ChaosSystem system, IReadOnlyList<string> instances) =>
            server.AnswerWith(JsonSerializer.Serialize(new { hosts = instances.Select(i => new { ip_address = system.Addresses[i].Host, port = system.Addresses[i].Port }) }));

        public override ValueTask DisposeAsync() => server.DisposeAsync();
    }

    private sealed class EndpointSlices(KubernetesApi api) : Registry
    {
        private readonly HashSet<string> _known = [];

        public override string Destination => "k8s+http://usersvc/http";

        public override (string, string)[] EdgeSettings =>
            [("Edge:Discovery:Kubernetes:ApiServer", api.Address), ("Edge:Discovery:Kubernetes:Namespace", "users")];

        // A slice has one port, so each instance has a slice.
        public override void Register(ChaosSystem system, IReadOnlyList<string> instances)
        {
            _known.UnionWith(instances);
            foreach (var instance in _known)
            {
                var address = system.Addresses[instance];
                api.Set(instance, Slices.Of(address.Port, instances.Where(i => i == instance).Select(i => (i, address.Host))));
            }
        }

        public override ValueTask DisposeAsync() => api.DisposeAsync();
    }
}
