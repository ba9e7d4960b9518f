using System.Net;
using DnsClient;
using DnsClient.Protocol;

namespace UserSvc.Edge.Discovery;

internal sealed class DnsOptions
{
    /// <summary>The shortest time between two lookups of a name, whatever its records' TTL. Default 1 s.</summary>
    public TimeSpan MinInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest time between two lookups of a name, whatever its records' TTL. Default 30 s.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a name server may take for an answer; it is asked twice. Default 2 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>The name server to ask, such as <c>127.0.0.1:5353</c>. Default: those in the resolver file.</summary>
    public string? Server { get; set; }

    /// <summary>The file with search domains, <c>ndots</c> and name servers. Default <c>/etc/resolv.conf</c>.</summary>
    public string ResolverFile { get; set; } = "/etc/resolv.conf";

    /// <summary>Names in this file are not looked up. Default <c>/etc/hosts</c>.</summary>
    public string HostsFile { get; set; } = "/etc/hosts";

    /// <returns><see cref="Server"/>, on port 53 if it names none; null if it is not set or not an address.</returns>
    public IPEndPoint? ServerEndPoint() =>
        IPEndPoint.TryParse(Server ?? "", out var endPoint) ? new(endPoint.Address, endPoint.Port == 0 ? 53 : endPoint.Port) : null;
}

/// <summary>
/// Looks a name up again when the shortest TTL of its records has passed. A name without addresses counts as a failure, like a name server
/// that does not answer: a zone that is being reloaded looks the same.
/// </summary>
internal sealed class DnsSource(string address, DnsAddress dns, DiscoverySettings settings) : DiscoverySource(address, settings)
{
    public override string Scheme => dns.Scheme;

    public override string Host => dns.Port == (dns.Scheme == "https" ? 443 : 80) ? dns.Host : $"{dns.Host}:{dns.Port}";

    protected override async Task<TimeSpan> RefreshAsync(CancellationToken cancellationToken)
    {
        if (ResolverFiles.Hosts(Options.Dns.HostsFile, dns.Host) is { Count: > 0 } known)
        {
            Publish(known.Select(ToEndpoint));
            return Options.Dns.Interval;
        }

        var files = ResolverFiles.Read(Options.Dns);
        var client = new LookupClient(new LookupClientOptions([.. files.Servers])
        {
            Timeout = Options.Dns.Timeout,
            Retries = 1,
            UseCache = false,
            UseRandomNameServer = false,
            ContinueOnEmptyResponse = false,
        });
        foreach (var name in files.Candidates(dns.Host))
        {
            var answers = await Task.WhenAll(
                client.QueryAsync(name, QueryType.A, cancellationToken: cancellationToken),
                client.QueryAsync(name, QueryType.AAAA, cancellationToken: cancellationToken));
            var failed = answers.FirstOrDefault(a => a.Header.ResponseCode is not (DnsHeaderResponseCode.NoError or DnsHeaderResponseCode.NotExistentDomain));
            var addresses = answers.SelectMany(a => a.Answers).OfType<AddressRecord>().Select(a => a.Address).ToList();
            if (failed is not null)
            {
                throw new FormatException($"{name}: {failed.Header.ResponseCode}");
            }

            if (addresses.Count > 0)
            {
                Publish(addresses.Select(ToEndpoint));
                var ttl = TimeSpan.FromSeconds(answers.SelectMany(a => a.Answers).Min(a => (double)a.InitialTimeToLive));
                return ttl < Options.Dns.MinInterval ? Options.Dns.MinInterval : ttl > Options.Dns.Interval ? Options.Dns.Interval : ttl;
            }
        }

        throw new FormatException($"{dns.Host} has no address");
    }

    private DiscoveredEndpoint ToEndpoint(IPAddress ip) => DiscoveredEndpoint.FromAddress(new(ip, dns.Port));
}
