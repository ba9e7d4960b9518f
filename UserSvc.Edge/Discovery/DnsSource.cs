using System.Net;
using System.Net.Sockets;
using DnsClient;
using DnsClient.Protocol;

namespace UserSvc.Edge.Discovery;

/// <summary>Envoy's <c>dns_lookup_family</c>: which addresses of a name are destinations.</summary>
internal enum DnsFamily
{
    /// <summary>Those of all A and AAAA records. The default.</summary>
    All,

    /// <summary>Those of A records; nothing else is asked for.</summary>
    V4Only,

    /// <summary>Those of AAAA records; nothing else is asked for.</summary>
    V6Only,

    /// <summary>Those of A records or, if there are none, of AAAA records: a dual-stack instance is one destination.</summary>
    V4Preferred,
}

internal sealed class DnsOptions
{
    /// <summary>The shortest time between two lookups of a name, whatever its records' TTL. Default 1 s.</summary>
    public TimeSpan MinInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest time between two lookups of a name, whatever its records' TTL. Default 30 s.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long a name server may take for an answer; it is asked twice. Default 2 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>Which addresses of a name are destinations. Default <see cref="DnsFamily.All"/>.</summary>
    public DnsFamily Family { get; set; }

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
        List<QueryType> types = Options.Dns.Family switch
        {
            DnsFamily.V4Only => [QueryType.A],
            DnsFamily.V6Only => [QueryType.AAAA],
            _ => [QueryType.A, QueryType.AAAA],
        };
        if (ResolverFiles.Hosts(Options.Dns.HostsFile, dns.Host).Where(ip => types.Contains(TypeOf(ip))).ToList() is { Count: > 0 } known)
        {
            PublishPreferred(known);
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
            ExtendedDnsBufferSize = files.UdpSize,
        });
        string? unanswered = null;
        foreach (var name in files.Candidates(dns.Host))
        {
            var answers = await Task.WhenAll(types.Select(type => QueryAsync(client, name, type, cancellationToken)));
            if (answers.Any(a => a.Addresses.Any()))
            {
                // A family that failed keeps its last known addresses.
                PublishPreferred(answers.SelectMany(a => a.Failure is null ? a.Addresses : (Endpoints ?? []).Select(e => e.Address.Address).Where(ip => TypeOf(ip) == a.Type)));
                var ttl = TimeSpan.FromSeconds(answers.SelectMany(a => a.Records).Min(r => (double)r.InitialTimeToLive));
                return ttl < Options.Dns.MinInterval ? Options.Dns.MinInterval : ttl > Options.Dns.Interval ? Options.Dns.Interval : ttl;
            }

            if (answers.FirstOrDefault(a => a.Failure is not null) is { } failed)
            {
                unanswered ??= $"{name}: {failed.Failure}";
                // As in glibc: SERVFAIL concerns this domain alone, so the next may have the name. Anything else concerns the servers.
                if (failed.Failure != nameof(DnsHeaderResponseCode.ServerFailure))
                {
                    break;
                }
            }
        }

        throw new FormatException(unanswered ?? $"{dns.Host} has no address");
    }

    private static async Task<FamilyAnswer> QueryAsync(LookupClient client, string name, QueryType type, CancellationToken cancellationToken)
    {
        try
        {
            var answer = await client.QueryAsync(name, type, cancellationToken: cancellationToken);
            return answer.Header.ResponseCode is DnsHeaderResponseCode.NoError or DnsHeaderResponseCode.NotExistentDomain
                ? new(type, answer.Answers)
                : new(type, [], $"{answer.Header.ResponseCode}");
        }
        catch (Exception failure) when (!cancellationToken.IsCancellationRequested)
        {
            return new(type, [], failure is DnsResponseException { Code: var code } ? $"{code}" : failure.Message);
        }
    }

    private static QueryType TypeOf(IPAddress ip) => ip.AddressFamily is AddressFamily.InterNetwork ? QueryType.A : QueryType.AAAA;

    private void PublishPreferred(IEnumerable<IPAddress> addresses)
    {
        var all = addresses.ToList();
        var preferred = all.Where(ip => Options.Dns.Family is not DnsFamily.V4Preferred || TypeOf(ip) is QueryType.A).ToList();
        Publish((preferred is [] ? all : preferred).Select(ip => DiscoveredEndpoint.FromAddress(new(ip, dns.Port))));
    }

    /// <param name="Type">A or AAAA.</param>
    /// <param name="Records">Addresses, and the aliases that led to them.</param>
    /// <param name="Failure">Why there is no answer; null if there is one, even without records.</param>
    private sealed record FamilyAnswer(QueryType Type, IReadOnlyList<DnsResourceRecord> Records, string? Failure = null)
    {
        public IEnumerable<IPAddress> Addresses => Records.OfType<AddressRecord>().Select(r => r.Address);
    }
}
