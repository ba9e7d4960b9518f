using UserSvc.Tests.Attacks;
using UserSvc.Tests.Chaos;

namespace Attacks;

/// <summary>HAProxy in the edge's place, with those of the edge's limits that it has: connections, a client's share of them, time for a head and a body.</summary>
internal sealed class Haproxy : Proxy
{
    // Each takes two files, and HAProxy does not start where the system allows it fewer.
    private const int MaxConnections = 9_900;

    private readonly AttackTarget _target;
    private readonly string _folder;
    private readonly int _healthPort = FreePort();

    private Haproxy(AttackTarget target, string folder)
    {
        (_target, _folder, Address) = (target, folder, new($"http://127.0.0.1:{FreePort()}"));
        Process = new("haproxy", ["haproxy", "-db", "-f", Path.Combine(folder, "haproxy.cfg")], new($"http://127.0.0.1:{_healthPort}/ready"), Path.Combine(folder, "haproxy.log"));
    }

    public override ServiceProcess Process { get; }

    public override Uri Address { get; }

    public static async Task<Proxy> StartAsync(ChaosSystem system, AttackTarget target, string folder)
    {
        var haproxy = new Haproxy(target, folder);
        system.Register(new Registry.Static(), haproxy, ChaosSystem.All);
        await haproxy.Process.StartAsync();
        return haproxy;
    }

    public override void Route(params IEnumerable<(string Name, string Address)> destinations)
    {
        var certificate = Path.Combine(_folder, "haproxy.pem");
        File.WriteAllText(certificate, File.ReadAllText(_target.Certificate.CertificatePath) + File.ReadAllText(_target.Certificate.KeyPath));
        File.WriteAllText(Path.Combine(_folder, "haproxy.cfg"), $$"""
            global
                maxconn {{MaxConnections}}
            defaults
                mode http
                balance roundrobin
                timeout connect 250ms
                timeout client 15s
                timeout server 15s
                timeout http-request 10s
                timeout http-keep-alive 130s
                option http-buffer-request
                option httpchk GET /health
                default-server check inter 1s fall 2 rise 1
            frontend users
                bind {{Address.Authority}}
                bind {{_target.Https.Authority}} ssl crt {{certificate}} alpn h2,http/1.1
                stick-table type ip size 10k expire 30s store conn_cur
                tcp-request connection track-sc0 src
                tcp-request connection reject if { sc0_conn_cur gt 174 }
                default_backend instances
            frontend health
                bind 127.0.0.1:{{_healthPort}}
                monitor-uri /ready
            backend instances
            {{string.Join('\n', destinations.Select(d => $"    server {d.Name} {new Uri(d.Address).Authority}"))}}

            """);
    }

    public override Task<string> CountersAsync() => throw new NotSupportedException();
}
