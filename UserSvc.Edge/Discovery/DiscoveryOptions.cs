namespace UserSvc.Edge.Discovery;

/// <summary>Section <c>Edge:Discovery</c>: how instances are found.</summary>
internal sealed class DiscoveryOptions
{
    public const string Section = "Edge:Discovery";

    /// <summary>The longest pause before a failing source is tried again; the first is half a second and each doubles. Default 30 s.</summary>
    public TimeSpan MaxBackoff { get; set; } = TimeSpan.FromSeconds(30);

    public DnsOptions Dns { get; set; } = new();

    public SdsOptions Sds { get; set; } = new();

    public KubernetesOptions Kubernetes { get; set; } = new();

    /// <summary>Why these options cannot be; empty when they can.</summary>
    public IEnumerable<string> Errors()
    {
        (string Name, TimeSpan Value)[] times =
        [
            (nameof(MaxBackoff), MaxBackoff),
            ("Dns:MinInterval", Dns.MinInterval), ("Dns:Interval", Dns.Interval), ("Dns:Timeout", Dns.Timeout),
            ("Sds:Interval", Sds.Interval), ("Sds:Timeout", Sds.Timeout),
            ("Kubernetes:Timeout", Kubernetes.Timeout), ("Kubernetes:WatchTimeout", Kubernetes.WatchTimeout),
        ];
        foreach (var (name, value) in times)
        {
            if (value <= TimeSpan.Zero || value > TimeSpan.FromHours(1))
            {
                yield return $"{Section}:{name} is not above zero and up to an hour: {value}";
            }
        }

        if (Dns.MinInterval > Dns.Interval)
        {
            yield return $"{Section}:Dns:MinInterval is above {Section}:Dns:Interval";
        }

        if (Dns.Server is not null && Dns.ServerEndPoint() is null)
        {
            yield return $"{Section}:Dns:Server is not an IP address and a port: {Dns.Server}";
        }

        if (Kubernetes.ApiServer is { } server && !(Uri.TryCreate(server, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"))
        {
            yield return $"{Section}:Kubernetes:ApiServer is not an address such as https://host:6443: {server}";
        }
    }
}

internal sealed class DnsOptions
{
    /// <summary>The shortest time between two lookups of a name, whatever its records' TTL. Default 1 s.</summary>
    public TimeSpan MinInterval { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The longest time between two lookups of a name, whatever its records' TTL. Default 30 s.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long one name server may take for one answer; it is asked twice. Default 2 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>The name server to ask, <c>127.0.0.1:5353</c>. Default: those of the resolver file.</summary>
    public string? Server { get; set; }

    /// <summary>Where search domains, <c>ndots</c> and name servers stand. Default <c>/etc/resolv.conf</c>.</summary>
    public string ResolverFile { get; set; } = "/etc/resolv.conf";

    /// <summary>Names in it are not looked up. Default <c>/etc/hosts</c>.</summary>
    public string HostsFile { get; set; } = "/etc/hosts";

    /// <returns><see cref="Server"/>, at port 53 where it names none; null when it is not set or no address.</returns>
    public System.Net.IPEndPoint? ServerEndPoint() =>
        System.Net.IPEndPoint.TryParse(Server ?? "", out var endPoint) ? new(endPoint.Address, endPoint.Port == 0 ? 53 : endPoint.Port) : null;
}

internal sealed class SdsOptions
{
    /// <summary>The time between two polls, each made up to a fifth shorter or longer at random. Default 15 s.</summary>
    public TimeSpan Interval { get; set; } = TimeSpan.FromSeconds(15);

    /// <summary>How long one answer may take, body and all. Default 5 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(5);
}

internal sealed class KubernetesOptions
{
    /// <summary>Default: the API server that Kubernetes names in a pod's environment.</summary>
    public string? ApiServer { get; set; }

    /// <summary>Read for every request, so that a rotated token is the next one's. Default: the pod's service account's.</summary>
    public string? TokenFile { get; set; }

    /// <summary>PEM; the only authorities that may vouch for the API server. Default: the pod's service account's.</summary>
    public string? CertificateAuthorityFile { get; set; }

    /// <summary>The namespace of addresses that name none. Default: the pod's own, and <c>default</c> outside a cluster.</summary>
    public string? Namespace { get; set; }

    /// <summary>How long a list may take, and how long a connection. Default 10 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the API server keeps a watch open before it is renewed. Whole seconds; default 5 min.</summary>
    public TimeSpan WatchTimeout { get; set; } = TimeSpan.FromMinutes(5);
}
