namespace UserSvc.Edge.Discovery;

/// <summary>
/// A destination's address as it is configured. Its scheme says how the instances behind it are found; the part after the <c>+</c>
/// says how they are spoken to.
/// </summary>
internal abstract record DestinationAddress
{
    private const string Known = "http, https, dns+http, dns+https, sds+http, k8s+http or k8s+https";

    /// <exception cref="FormatException">Its message completes a sentence that begins with the setting's name.</exception>
    public static DestinationAddress Parse(string? text)
    {
        if (text?.Contains("://", StringComparison.Ordinal) is not true || !Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Host.Length == 0)
        {
            throw new FormatException($"is not an address such as http://host:8080: {text}");
        }

        // A plain address is YARP's own affair, path and query too.
        return uri.Scheme is not ("http" or "https") && uri.UserInfo + uri.Query + uri.Fragment is { Length: > 0 }
            ? throw new FormatException($"takes no user, query or fragment: {text}")
            : uri.Scheme switch
            {
                "http" or "https" => new StaticAddress(),
                "dns+http" => Dns(uri, "http", 80),
                "dns+https" => Dns(uri, "https", 443),
                "sds+http" => Sds(uri),
                "k8s+http" => Kubernetes(uri, "http"),
                "k8s+https" => Kubernetes(uri, "https"),
                _ => throw new FormatException($"has the scheme {uri.Scheme}, which is none of {Known}: {text}"),
            };
    }

    private static DnsAddress Dns(Uri uri, string scheme, int port) =>
        uri.HostNameType == UriHostNameType.Dns && uri.AbsolutePath is "" or "/"
            ? new(scheme, uri.IdnHost, uri.IsDefaultPort ? port : uri.Port)
            : throw new FormatException($"is not a DNS name and a port, such as dns+http://usersvc:8080: {uri.OriginalString}");

    private static SdsAddress Sds(Uri uri) =>
        RegistrationEndpoint.IsServiceName(uri.AbsolutePath.TrimStart('/'))
            ? new(new($"http://{uri.Authority}/v1/registration{uri.AbsolutePath}"))
            : throw new FormatException($"is not a registration service and a service's name, such as sds+http://sds:8080/usersvc: {uri.OriginalString}");

    private static KubernetesAddress Kubernetes(Uri uri, string scheme)
    {
        var (host, path) = (uri.Host.Split('.'), uri.AbsolutePath.Trim('/'));
        return uri.IsDefaultPort && host is [{ Length: > 0 }] or [{ Length: > 0 }, { Length: > 0 }] && !path.Contains('/')
            ? new(scheme, host[0], host.ElementAtOrDefault(1), path)
            : throw new FormatException(
                $"is not a Service and a port's name, such as k8s+http://usersvc/http or k8s+http://usersvc.namespace/http: {uri.OriginalString}");
    }
}

/// <summary><c>http://host:8080</c>: one destination; a name is looked up whenever a connection is made.</summary>
internal sealed record StaticAddress : DestinationAddress;

/// <summary><c>dns+http://usersvc:8080</c>: a destination for each A and AAAA record of the name.</summary>
internal sealed record DnsAddress(string Scheme, string Host, int Port) : DestinationAddress;

/// <summary><c>sds+http://host:port/usersvc</c>: a destination for each host that the registration service lists.</summary>
internal sealed record SdsAddress(Uri Registration) : DestinationAddress;

/// <summary>
/// <c>k8s+http://usersvc/http</c>: a destination for each pod of the Service, by its port's name; without one, the Service's only port.
/// <see cref="Namespace"/> is null for the edge's own.
/// </summary>
internal sealed record KubernetesAddress(string Scheme, string Service, string? Namespace, string Port) : DestinationAddress;
