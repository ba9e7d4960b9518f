using Aspire.Hosting.Kubernetes;
using Aspire.Hosting.Kubernetes.Resources;

namespace UserSvc.AppHost.Kubernetes;

/// <summary>
/// A Gateway (https://gateway-api.sigs.k8s.io) instead of the LoadBalancer: the platform's proxy terminates TLS in front of the edge. Aspire's
/// AddGateway is not enough, because its routes can neither choose a listener nor redirect.
/// </summary>
internal static class EdgeGateway
{
    private const string Name = "edge";

    public static void AddTo(KubernetesResource edge, string host, string? certificateMap)
    {
        edge.Service!.Spec.Type = "ClusterIP";
        // The Gateway's proxies send the client's address in X-Forwarded-For.
        (edge.ConfigMap!.Data["Edge__TrustedProxies__0"], edge.ConfigMap.Data["Edge__TrustedProxies__1"]) = (NetworkPolicies.GoogleFrontEnds[0], NetworkPolicies.GoogleFrontEnds[1]);
        // After it, they send the Gateway's own address: until that is trusted, too, all clients look like one.
        edge.ConfigMap.Data["Edge__FairShares"] = "false";

        var gateway = new GatewayV1
        {
            Spec =
            {
                GatewayClassName = "{{ .Values.gateway.className }}",
                Listeners =
                {
                    new() { Name = "http", Protocol = "HTTP", Port = 80 },
                    new()
                    {
                        Name = "https",
                        Protocol = "HTTPS",
                        Port = 443,
                        Hostname = host,
                        Tls = certificateMap is null ? new() { Mode = "Terminate", CertificateRefs = { new() { Name = "{{ .Values.tls.secretName }}" } } } : null,
                    },
                },
            },
        };
        if (certificateMap is not null)
        {
            gateway.Metadata.Annotations["networking.gke.io/certmap"] = certificateMap;
        }

        edge.Add(Name, gateway);
        edge.Add(Name, new HttpRoute { Spec = new([new(Name, "https")], [host], [new(BackendRefs: [new(Name, 80)])]) });
        edge.Add("edge-redirect", new HttpRoute { Spec = new([new(Name, "http")], null, [new(Filters: [new("RequestRedirect", new("https", 301))])]) });
        edge.Add(Name, new HealthCheckPolicy
        {
            Spec = new(new(5, 2, 1, 2, new("HTTP", new("USE_FIXED_PORT", EdgePods.HealthPort, "/ready"))), new("{{ \"\" | quote }}", "Service", Name)),
        });
    }
}
