using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using UserSvc.AppHost.Topology;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>
/// The shape of the published system, from the command line (<c>--Sidecars true</c>) or the environment. What an operator changes at installation is a
/// chart value instead.
/// </summary>
internal sealed partial record ShapeOptions
{
    /// <summary>The other arguments of <c>aspire publish</c> and of the AppHost's own publishing.</summary>
    private static readonly string[] Aspires = ["Operation", "Step", "Output-Path", "Publisher", "Environment", "Log-Level", "Include-Exception-Details"];

    /// <summary>Whether each pod gets a proxy in front of its instance, which then listens on loopback only. Default false.</summary>
    public required bool Sidecars { get; init; }

    /// <summary>Whether HorizontalPodAutoscalers scale by CPU. Default false, because their minimum would undo <c>kubectl scale</c>.</summary>
    public required bool Autoscaling { get; init; }

    /// <summary>Whether the edge also serves https, with the certificate in a Secret. Default false.</summary>
    public required bool Tls { get; init; }

    /// <summary>The host name of a Gateway, which then replaces the LoadBalancer and terminates TLS. Default none.</summary>
    public required string? Gateway { get; init; }

    /// <summary>The certificate map in Google's Certificate Manager that the Gateway uses instead of a Secret. Default none.</summary>
    public required string? CertificateMap { get; init; }

    /// <summary>The Secret with your PostgreSQL's connection string in <c>ConnectionStrings__users</c>. Default none: the chart runs PostgreSQL.</summary>
    public required string? ExternalDatabase { get; init; }

    /// <summary>Where to send traces, metrics and logs by OTLP (gRPC), such as <c>http://collector.observability:4317</c>. Default none.</summary>
    public required string? Telemetry { get; init; }

    /// <exception cref="LaunchException">An option is unknown or invalid; the message names it.</exception>
    public static ShapeOptions Read(string[] arguments)
    {
        TopologyOptions.CheckNames<ShapeOptions>(arguments, Aspires);
        IConfiguration configuration = new ConfigurationBuilder().AddEnvironmentVariables().AddCommandLine(arguments).Build();
        var options = new ShapeOptions
        {
            Sidecars = TopologyOptions.Switch(configuration, nameof(Sidecars), false),
            Autoscaling = TopologyOptions.Switch(configuration, nameof(Autoscaling), false),
            Tls = TopologyOptions.Switch(configuration, nameof(Tls), false),
            Gateway = Named(configuration, nameof(Gateway), "a host name, such as users.example.com"),
            CertificateMap = Named(configuration, nameof(CertificateMap), "the name of a certificate map"),
            ExternalDatabase = Named(configuration, nameof(ExternalDatabase), "the name of a Secret"),
            Telemetry = TopologyOptions.Text(configuration, nameof(Telemetry)),
        };
        if (options.Telemetry is { } endpoint && !(Uri.TryCreate(endpoint, UriKind.Absolute, out var url) && url is { Scheme: "http" or "https", Port: 4317 or 4318 }))
        {
            throw new LaunchException($"Telemetry must be an http or https URL with port 4317 or 4318, such as http://collector.observability:4317, not '{endpoint}'.");
        }

        return options switch
        {
            { CertificateMap: not null, Gateway: null } => throw new LaunchException("CertificateMap applies only to a Gateway: set Gateway too."),
            { Tls: true, Gateway: not null } => throw new LaunchException("Tls and Gateway cannot be combined, because the Gateway terminates TLS: set only one of them."),
            _ => options,
        };
    }

    /// <summary>Whether this shape has the values in values.<paramref name="part"/>.yaml.</summary>
    public bool HasValues(string part) => part switch
    {
        "autoscaling" => Autoscaling,
        "database" => ExternalDatabase is not null,
        "gateway" => Gateway is not null,
        "postgres" => ExternalDatabase is null,
        "sidecar" => Sidecars,
        "tls" => Tls || (Gateway is not null && CertificateMap is null),
        _ => throw new ArgumentOutOfRangeException(nameof(part), part, "No shape has these values."),
    };

    private static string? Named(IConfiguration configuration, string option, string description) =>
        TopologyOptions.Text(configuration, option) is not { } text || NamePattern().IsMatch(text) ? TopologyOptions.Text(configuration, option)
        : throw new LaunchException($"{option} must be {description}, not '{text}'.");

    // An RFC 1123 subdomain, the form that Kubernetes requires of object and host names.
    [GeneratedRegex(@"\A(?=.{1,253}\z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\z")]
    private static partial Regex NamePattern();
}
