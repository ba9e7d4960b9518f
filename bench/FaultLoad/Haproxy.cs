using UserSvc.Tests.Chaos;

namespace FaultLoad;

/// <summary>
/// HAProxy with the edge's health checks, timeouts and retries, as far as possible: a server marked down for errors is back after one good
/// check, where the edge ejects for 30 s, and overloaded answers are retried. It reloads its configuration on SIGUSR2.
/// </summary>
internal sealed class Haproxy : Proxy
{
    // Linux's SIGUSR2.
    private const int User2 = 12;

    private static readonly TimeSpan ReloadLimit = TimeSpan.FromSeconds(10);

    private readonly string _configuration;
    private readonly int _port = FreePort();
    private readonly int _healthPort = FreePort();

    public Haproxy(string folder)
    {
        _configuration = Path.Combine(folder, "haproxy.cfg");
        Address = new($"http://127.0.0.1:{_port}");
        // -W: a master process. A reload replaces its worker, which finishes the requests in flight.
        Process = new("haproxy", ["haproxy", "-W", "-f", _configuration], new($"http://127.0.0.1:{_healthPort}/ready"), Path.Combine(folder, "haproxy.log"));
    }

    public override ServiceProcess Process { get; }

    public override Uri Address { get; }

    public override void Route(params IEnumerable<(string Name, string Address)> destinations)
    {
        var servers = string.Join('\n', destinations.Select(d => $"    server {d.Name} {new Uri(d.Address).Authority}"));
        // Replaced as a whole, as in ChaosEdge.
        File.WriteAllText(_configuration + ".new", $$"""
            global
                maxconn 4096
            defaults
                mode http
                balance roundrobin
                timeout client 15s
                timeout connect 250ms
                timeout http-request 10s
                timeout check 500ms
                retries 2
                option redispatch 1
                option httpchk GET /health
                http-error status 503 content-type application/problem+json string '{"status":503}' hdr retry-after 1
                default-server check inter 1s fall 2 rise 1 observe layer7 error-limit 5 on-error mark-down
            frontend users
                bind 127.0.0.1:{{_port}}
                use_backend reads if { method GET HEAD }
                default_backend writes
            frontend health
                bind 127.0.0.1:{{_healthPort}}
                monitor-uri /ready
                http-request use-service prometheus-exporter
            backend reads
                timeout server 1s
                retry-on conn-failure empty-response response-timeout 502 503
            {{servers}}
            backend writes
                timeout server 15s
                http-request disable-l7-retry unless { method PUT }
                http-request disable-l7-retry if { req.hdr(authorization) -m found } || { req.hdr(if-match) -m found } || { req.hdr(if-none-match) -m found }
                retry-on conn-failure empty-response 502 503
            {{servers}}

            """);
        File.Move(_configuration + ".new", _configuration, overwrite: true);
        if (Process.IsRunning)
        {
            // A signal during a reload is lost.
            var loaded = Loads();
            Process.Send(User2);
            SpinWait.SpinUntil(() => Loads() > loaded, ReloadLimit);
        }
    }

    public override async Task<string> CountersAsync()
    {
        using var client = new HttpClient();
        return await client.GetStringAsync(new Uri($"http://127.0.0.1:{_healthPort}/metrics"));
    }

    private int Loads() => Process.Log.Split("Loading success").Length;
}
