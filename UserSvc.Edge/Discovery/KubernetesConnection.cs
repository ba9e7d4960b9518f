using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using k8s;
using k8s.Authentication;

namespace UserSvc.Edge.Discovery;

/// <summary>Where the API server is and what vouches for it and for the edge. In a pod all of it comes from Kubernetes.</summary>
internal sealed record KubernetesConnection(string? ApiServer, string TokenFile, string AuthorityFile, string Namespace, TimeSpan Timeout)
{
    private const string ServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount";

    public static KubernetesConnection From(KubernetesOptions options, IConfiguration environment)
    {
        var ownNamespace = $"{ServiceAccount}/namespace";
        var host = environment["KUBERNETES_SERVICE_HOST"];
        return new(
            options.ApiServer ?? (host is null ? null : $"https://{(host.Contains(':') ? $"[{host}]" : host)}:{environment["KUBERNETES_SERVICE_PORT"] ?? "443"}"),
            options.TokenFile ?? $"{ServiceAccount}/token",
            options.CertificateAuthorityFile ?? $"{ServiceAccount}/ca.crt",
            options.Namespace ?? (File.Exists(ownNamespace) ? File.ReadAllText(ownNamespace).Trim() : "default"),
            options.Timeout);
    }

    /// <summary>A client of its own for every attempt, so that a new authority is believed and a broken connection is not kept.</summary>
    public Kubernetes Open() => new(new KubernetesClientConfiguration
    {
        Host = ApiServer ?? throw new InvalidOperationException($"{DiscoveryOptions.Section}:Kubernetes:ApiServer is not set, and this is no pod"),
        TokenProvider = File.Exists(TokenFile) ? new TokenFileProvider(TokenFile) : null,
        FirstMessageHandlerSetup = Configure,
    });

    // The client's own check of a private authority (SslCaCerts) lets a certificate with another host's name pass.
    private void Configure(HttpMessageHandler handler)
    {
        var sockets = (SocketsHttpHandler)handler;
        sockets.ConnectTimeout = Timeout;
        sockets.UseProxy = false;
        // A watch is silent for long: without pings, a connection that died silently is noticed when the watch should have ended.
        sockets.KeepAlivePingDelay = TimeSpan.FromSeconds(20);
        sockets.KeepAlivePingTimeout = TimeSpan.FromSeconds(10);
        sockets.ActivityHeadersPropagator = null;
        if (File.Exists(AuthorityFile))
        {
            sockets.SslOptions.CertificateChainPolicy = new()
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            sockets.SslOptions.CertificateChainPolicy.CustomTrustStore.ImportFromPemFile(AuthorityFile);
        }
    }

    // The client's own provider keeps a token for a minute, beyond a rotation.
    private sealed class TokenFileProvider(string file) : ITokenProvider
    {
        public async Task<AuthenticationHeaderValue> GetAuthenticationHeaderAsync(CancellationToken cancellationToken) =>
            new("Bearer", (await File.ReadAllTextAsync(file, cancellationToken)).Trim());
    }
}
