namespace UserSvc.Edge.Discovery;

/// <summary>
/// A destination's address as configured. Its scheme says how to find the instances behind it; the part after the <c>+</c> says how to
/// speak to them.
/// </summary>
internal abstract record DestinationAddress
{
    private const string Known = "http, https, dns+http, dns+https, sds+http, k8s+http or k8s+https";

    /// <exception cref="FormatException">The message completes a sentence that starts with the setting's name.</exception>
    public static DestinationAddress Parse(string? text)
    {
        if (text?.Contains("://", StringComparison.Ordinal) is not true || !Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Host.Length == 0)
        {
            throw new FormatException($"is not an address such as http://host:8080: {text}");
        }

        // YARP itself handles a plain address, with its path and query.
        return uri.Scheme is not ("http" or "https") && uri.UserInfo + uri.Query + uri.Fragment is { Length: > 0 }
            ? throw new FormatException($"must not have a user, query or fragment: {text}")
            : uri.Scheme switch
            {
                "http" or "https" => new StaticAddress(),
                "dns+http" => ParseDns(uri, "http", 80),
                "dns+https" => ParseDns(uri, "https", 443),
                "sds+http" => ParseSds(uri),
                "k8s+http" => ParseKubernetes(uri, "http"),
                "k8s+https" => ParseKubernetes(uri, "https"),
                _ => throw new FormatException($"has the unknown scheme {uri.Scheme}; use {Known}: {text}"),
            };
    }

    private static DnsAddress ParseDns(Uri uri, string scheme, int port) =>
        uri.HostNameType == UriHostNameType.Dns && uri.AbsolutePath is "" or "/"
            ? new(scheme, uri.IdnHost, uri.IsDefaultPort ? port : uri.Port)
            : throw new FormatException($"is not a DNS name and a port, such as dns+http://usersvc:8080: {uri.OriginalString}");

    private static SdsAddress ParseSds(Uri uri) =>
        RegistrationEndpoint.IsServiceName(uri.AbsolutePath.TrimStart('/'))
            ? new(new($"http://{uri.Authority}/v1/registration{uri.AbsolutePath}"))
            : throw new FormatException($"is not a registration service's address and a service's name, such as sds+http://sds:8080/usersvc: {uri.OriginalString}");

    private static KubernetesAddress ParseKubernetes(Uri uri, string scheme)
    {
        var (host, path) = (uri.Host.Split('.'), uri.AbsolutePath.Trim('/'));
        return uri.IsDefaultPort && host is [{ Length: > 0 }] or [{ Length: > 0 }, { Length: > 0 }] && !path.Contains('/')
            ? new(scheme, host[0], host.ElementAtOrDefault(1), path)
            : throw new FormatException(
                $"is not a Service and a port's name, such as k8s+http://usersvc/http or k8s+http://usersvc.namespace/http: {uri.OriginalString}");
    }
}

/// <summary><c>http://host:8080</c>: one destination; a name is looked up for each new connection.</summary>
internal sealed record StaticAddress : DestinationAddress;

/// <summary><c>dns+http://usersvc:8080</c>: a destination for each A and AAAA record of the name.</summary>
internal sealed record DnsAddress(string Scheme, string Host, int Port) : DestinationAddress;

/// <summary><c>sds+http://host:port/usersvc</c>: a destination for each host that the registration service lists.</summary>
internal sealed record SdsAddress(Uri Registration) : DestinationAddress;

/// <summary>
/// <c>k8s+http://usersvc/http</c>: a destination for each pod of the Service, on the port with that name; without a name, on the Service's
/// only port. A null <see cref="Namespace"/> means the edge's namespace.
/// </summary>
internal sealed record KubernetesAddress(string Scheme, string Service, string? Namespace, string Port) : DestinationAddress;
