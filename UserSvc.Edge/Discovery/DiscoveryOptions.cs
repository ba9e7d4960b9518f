using Microsoft.Extensions.Options;

namespace UserSvc.Edge.Discovery;

/// <summary>Section <c>Edge:Discovery</c>: how instances are found. Each source's own options are in its file.</summary>
internal sealed class DiscoveryOptions
{
    public const string Section = "Edge:Discovery";

    /// <summary>The longest pause before a failing source is asked again. The first is half a second, and each further one doubles. Default 30 s.</summary>
    public TimeSpan MaxBackoff { get; set; } = TimeSpan.FromSeconds(30);

    public DnsOptions Dns { get; set; } = new();

    public SdsOptions Sds { get; set; } = new();

    public KubernetesOptions Kubernetes { get; set; } = new();

    /// <summary>One sentence for each setting that is wrong.</summary>
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
                yield return $"{Section}:{name} must be above zero and at most 1 h, not {value}";
            }
        }

        if (Dns.MinInterval > Dns.Interval)
        {
            yield return $"{Section}:Dns:MinInterval must not exceed {Section}:Dns:Interval";
        }

        if (Dns.Server is not null && Dns.ServerEndPoint() is null)
        {
            yield return $"{Section}:Dns:Server must be an IP address and a port, such as 127.0.0.1:5353, not {Dns.Server}";
        }

        if (Kubernetes.ApiServer is { } server && !(Uri.TryCreate(server, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"))
        {
            yield return $"{Section}:Kubernetes:ApiServer must be an address such as https://host:6443, not {server}";
        }
    }
}

internal sealed class DiscoveryOptionsValidator : IValidateOptions<DiscoveryOptions>
{
    public ValidateOptionsResult Validate(string? name, DiscoveryOptions options) =>
        options.Errors().ToList() is { Count: > 0 } errors ? ValidateOptionsResult.Fail(errors) : ValidateOptionsResult.Success;
}
