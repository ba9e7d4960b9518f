using System.Net;
using DnsClient;
using DnsClient.Protocol;

namespace UserSvc.Edge.Discovery;

/// <summary>
/// Looks a name up again when the shortest TTL of its records has passed. A name without addresses is a failure like a name server that
/// does not answer: a zone that is being reloaded looks the same.
/// </summary>
internal sealed class DnsSource(string address, DnsAddress dns, DiscoverySettings settings) : DiscoverySource(address, settings)
{
    public override string Scheme => dns.Scheme;

    public override string Host => dns.Port == (dns.Scheme == "https" ? 443 : 80) ? dns.Host : $"{dns.Host}:{dns.Port}";

    protected override async Task<TimeSpan> ReadAsync(CancellationToken cancellationToken)
    {
        if (ResolverFiles.Hosts(Options.Dns.HostsFile, dns.Host) is { Count: > 0 } known)
        {
            Publish(known.Select(Endpoint));
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
                Publish(addresses.Select(Endpoint));
                var ttl = TimeSpan.FromSeconds(answers.SelectMany(a => a.Answers).Min(a => (double)a.InitialTimeToLive));
                return ttl < Options.Dns.MinInterval ? Options.Dns.MinInterval : ttl > Options.Dns.Interval ? Options.Dns.Interval : ttl;
            }
        }

        throw new FormatException($"{dns.Host} has no address");
    }

    private DiscoveredEndpoint Endpoint(IPAddress ip) => DiscoveredEndpoint.At(new(ip, dns.Port));
}
