using System.Globalization;
using System.Net;
using DnsClient;

namespace UserSvc.Edge.Discovery;

/// <summary>
/// What the system's resolver reads and DnsClient does not: search domains and <c>ndots</c>, which Kubernetes needs to resolve a short name
/// such as <c>usersvc</c>, <c>edns0</c>, and the hosts file, which has <c>localhost</c>.
/// </summary>
/// <param name="Servers">The name servers, in order.</param>
/// <param name="Search">Search domains.</param>
/// <param name="Dots">A name with fewer dots is first looked up in the search domains.</param>
/// <param name="UdpSize">The longest answer to accept over UDP. Above 512 the query is one of EDNS, which some servers refuse; longer answers come over TCP.</param>
internal sealed record ResolverFiles(IReadOnlyList<NameServer> Servers, IReadOnlyList<string> Search, int Dots, int UdpSize)
{
    /// <summary>Called for every lookup: the files are small, and on a laptop they change with the network.</summary>
    public static ResolverFiles Read(DnsOptions options)
    {
        // nameserver 10.96.0.10
        // search users.svc.cluster.local svc.cluster.local cluster.local
        // options ndots:5
        var lines = Lines(options.ResolverFile).ToLookup(l => l[0], l => l[1..]);
        List<NameServer> servers = options.ServerEndPoint() is { } configured
            ? [configured]
            : [.. lines["nameserver"].SelectMany(l => l.Take(1)).Where(a => IPAddress.TryParse(a, out _)).Select(a => (NameServer)IPAddress.Parse(a))];
        List<string> set = [.. lines["options"].SelectMany(l => l)];
        var dots = set.LastOrDefault(o => o.StartsWith("ndots:", StringComparison.Ordinal));
        return new(
            // Windows has no resolver file.
            servers is [] ? [.. NameServer.ResolveNameServers(fallbackToGooglePublicDns: false)] : servers,
            // The last line of either kind wins.
            Lines(options.ResolverFile).LastOrDefault(l => l[0] is "search" or "domain")?[1..] ?? [],
            int.TryParse(dots.AsSpan(Math.Min(6, dots?.Length ?? 0)), CultureInfo.InvariantCulture, out var ndots) ? Math.Min(ndots, 15) : 1,
            set.Contains("edns0") ? 1232 : 512);
    }

    /// <summary>The full names to look up, in order.</summary>
    public IEnumerable<string> Candidates(string name)
    {
        if (name.EndsWith('.'))
        {
            return [name];
        }

        var searched = Search.Select(domain => $"{name}.{domain.TrimEnd('.')}.").Where(candidate => candidate.Length <= 254);
        return name.Count(c => c == '.') >= Dots ? [$"{name}.", .. searched] : [.. searched, $"{name}."];
    }

    /// <summary>The addresses of a name in the hosts file.</summary>
    public static IReadOnlyList<IPAddress> Hosts(string file, string name) =>
    [
        // 127.0.0.1 localhost localhost.localdomain
        .. from line in Lines(file)
           where line.Skip(1).Contains(name.TrimEnd('.'), StringComparer.OrdinalIgnoreCase) && IPAddress.TryParse(line[0], out _)
           select IPAddress.Parse(line[0]),
    ];

    private static IEnumerable<string[]> Lines(string file) =>
        from line in File.Exists(file) ? File.ReadLines(file) : []
        let words = line.Split('#', ';')[0].Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)
        where words.Length > 1
        select words;
}
