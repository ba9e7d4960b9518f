using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using UserSvc.AppHost.Topology;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>
/// The shape of the published system, by command line (<c>--Sidecars true</c>) or environment. What an operator changes when installing is a value
/// of the chart instead.
/// </summary>
internal sealed partial record ShapeOptions
{
    /// <summary>The arguments that <c>aspire publish</c> and the AppHost's own publishing take besides.</summary>
    private static readonly string[] Aspires = ["Operation", "Step", "Output-Path", "Publisher", "Environment", "Log-Level", "Include-Exception-Details"];

    /// <summary>A proxy in each pod before its instance, which then listens on loopback alone. Default false.</summary>
    public required bool Sidecars { get; init; }

    /// <summary>HorizontalPodAutoscalers by CPU. Default false: their floor would undo <c>kubectl scale</c>.</summary>
    public required bool Autoscaling { get; init; }

    /// <summary>The edge serves https too, with the certificate in a Secret. Default false.</summary>
    public required bool Tls { get; init; }

    /// <summary>The host name of a Gateway in place of the LoadBalancer; it ends TLS. Default none.</summary>
    public required string? Gateway { get; init; }

    /// <summary>The Gateway's certificate map in Google's Certificate Manager, in place of a Secret. Default none.</summary>
    public required string? CertificateMap { get; init; }

    /// <summary>The Secret with the connection string of a PostgreSQL of your own, at <c>ConnectionStrings__users</c>. Default none: the chart's own.</summary>
    public required string? ExternalDatabase { get; init; }

    /// <summary>Where traces, metrics and logs go, by OTLP (gRPC), as <c>http://collector.observability:4317</c>. Default nowhere.</summary>
    public required string? Telemetry { get; init; }

    /// <exception cref="LaunchException">An option is unknown or cannot be; the message names it.</exception>
    public static ShapeOptions Read(string[] arguments)
    {
        TopologyOptions.CheckNames<ShapeOptions>(arguments, Aspires);
        IConfiguration configuration = new ConfigurationBuilder().AddEnvironmentVariables().AddCommandLine(arguments).Build();
        var options = new ShapeOptions
        {
            Sidecars = TopologyOptions.Switch(configuration, nameof(Sidecars), false),
            Autoscaling = TopologyOptions.Switch(configuration, nameof(Autoscaling), false),
            Tls = TopologyOptions.Switch(configuration, nameof(Tls), false),
            Gateway = Named(configuration, nameof(Gateway), "a host name, as users.example.com"),
            CertificateMap = Named(configuration, nameof(CertificateMap), "the name of a certificate map"),
            ExternalDatabase = Named(configuration, nameof(ExternalDatabase), "the name of a Secret"),
            Telemetry = TopologyOptions.Text(configuration, nameof(Telemetry)),
        };
        if (options.Telemetry is { } endpoint && !(Uri.TryCreate(endpoint, UriKind.Absolute, out var url) && url is { Scheme: "http" or "https", Port: 4317 or 4318 }))
        {
            throw new LaunchException($"Telemetry must be an http or https URL at port 4317 or 4318, as http://collector.observability:4317, not '{endpoint}'.");
        }

        return options switch
        {
            { CertificateMap: not null, Gateway: null } => throw new LaunchException("CertificateMap is the Gateway's: give Gateway too."),
            { Tls: true, Gateway: not null } => throw new LaunchException("Tls and Gateway exclude each other: the Gateway ends TLS before the edge."),
            _ => options,
        };
    }

    /// <summary>Whether values.<paramref name="part"/>.yaml is of this shape.</summary>
    public bool HasValues(string part) => part switch
    {
        "autoscaling" => Autoscaling,
        "database" => ExternalDatabase is not null,
        "gateway" => Gateway is not null,
        "postgres" => ExternalDatabase is null,
        "sidecar" => Sidecars,
        "tls" => Tls || (Gateway is not null && CertificateMap is null),
        _ => throw new ArgumentOutOfRangeException(nameof(part), part, "No shape has it."),
    };

    private static string? Named(IConfiguration configuration, string option, string description) =>
        TopologyOptions.Text(configuration, option) is not { } text || NamePattern().IsMatch(text) ? TopologyOptions.Text(configuration, option)
        : throw new LaunchException($"{option} must be {description}, not '{text}'.");

    // RFC 1123's subdomain, as Kubernetes has it for names of objects and hosts.
    [GeneratedRegex(@"\A(?=.{1,253}\z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\z")]
    private static partial Regex NamePattern();
}
