using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>https://gateway-api.sigs.k8s.io in place of the LoadBalancer: the platform's own proxy ends TLS before the edge.</summary>
internal static class EdgeGateway
{
    private const string Name = "edge";

    private static readonly string Enabled = Helm.Path(values => values.Gateway.Enabled);
    private static readonly string TlsSecret = Helm.Path(values => values.Gateway.TlsSecretName);
    private static readonly string CertificateMap = Helm.Path(values => values.Gateway.CertificateMap);

    public static void AddTo(KubernetesResource edge)
    {
        var gateway = new GatewayV1
        {
            Spec =
            {
                GatewayClassName = Helm.Quoted(values => values.Gateway.ClassName),
                Listeners =
                {
                    new() { Name = "http", Protocol = "HTTP", Port = 80 },
                    Https("https".If(TlsSecret), new() { Mode = "Terminate", CertificateRefs = { new() { Name = Helm.Value(values => values.Gateway.TlsSecretName) } } }),
                    // The certificate map's.
                    Https("https".If(Helm.Not(TlsSecret)), null),
                },
            },
        };
        gateway.Metadata.Annotations["networking.gke.io/certmap"] = Helm.Quoted(values => values.Gateway.CertificateMap).If(CertificateMap);
        edge.Add(Name, gateway.When(Enabled));
        edge.Add(Name, new HttpRoute { Spec = new([new(Name, "https")], [Helm.Value(values => values.Gateway.Hostname)], [new(BackendRefs: [new(Name, 80)])]) }.When(Enabled));
        edge.Add("edge-redirect", new HttpRoute { Spec = new([new(Name, "http")], null, [new(Filters: [new("RequestRedirect", new("https", 301))])]) }.When(Enabled));
        edge.Add(Name, new HealthCheckPolicy
        {
            Spec = new(new(5, 2, 1, 2, new("HTTP", new("USE_FIXED_PORT", EdgePods.HealthPort, "/ready"))), new(Helm.Empty, "Service", Name)),
        }.When($"and {Enabled} {Helm.Path(values => values.Gateway.HealthCheckPolicy)}"));
    }

    private static GatewayListenerV1 Https(string name, GatewayTlsConfigV1? tls) => new()
    {
        Name = name,
        Protocol = "HTTPS",
        Port = 443,
        Hostname = Helm.RequiredQuoted(values => values.Gateway.Hostname),
        Tls = tls,
    };
}
