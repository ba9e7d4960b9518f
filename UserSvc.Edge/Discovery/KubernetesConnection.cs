using System.Net.Http.Headers;
using System.Security.Cryptography.X509Certificates;
using k8s;
using k8s.Authentication;

namespace UserSvc.Edge.Discovery;

internal sealed class KubernetesOptions
{
    /// <summary>Default: the API server that Kubernetes names in a pod's environment.</summary>
    public string? ApiServer { get; set; }

    /// <summary>Read for every request, so that a rotated token is used at once. Default: the token of the pod's service account.</summary>
    public string? TokenFile { get; set; }

    /// <summary>PEM; the only authorities trusted for the API server's certificate. Default: the file of the pod's service account.</summary>
    public string? CertificateAuthorityFile { get; set; }

    /// <summary>The namespace of addresses without one. Default: the pod's namespace; outside a cluster, <c>default</c>.</summary>
    public string? Namespace { get; set; }

    /// <summary>How long a list may take, and a connection. Default 10 s.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How long the API server keeps a watch open before it is renewed. Whole seconds; default 5 min.</summary>
    public TimeSpan WatchTimeout { get; set; } = TimeSpan.FromMinutes(5);
}

/// <summary>Where the API server is, how the edge trusts it and how it identifies itself. In a pod, Kubernetes provides all of it.</summary>
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

    /// <summary>Creates a client. Each refresh uses a new one, so that it trusts a rotated authority and drops a broken connection.</summary>
    public Kubernetes Open() => new(new KubernetesClientConfiguration
    {
        Host = ApiServer ?? throw new InvalidOperationException($"this process does not run in a pod; set {DiscoveryOptions.Section}:Kubernetes:ApiServer"),
        TokenProvider = File.Exists(TokenFile) ? new TokenFileProvider(TokenFile) : null,
        FirstMessageHandlerSetup = Configure,
    }, new WholeBody());

    // Instead of the client's SslCaCerts, which accepts a certificate for another host name.
    private void Configure(HttpMessageHandler handler)
    {
        var sockets = (SocketsHttpHandler)handler;
        sockets.ConnectTimeout = Timeout;
        sockets.UseProxy = false;
        // A watch can be silent for long: without pings, a dead connection goes unnoticed until the watch times out.
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

    // The client reads a body by blocking calls, without a time limit: on the thread that polls the sockets, nothing would ever arrive.
    private sealed class WholeBody : DelegatingHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            var response = await base.SendAsync(request, cancellationToken);
            // A watch never ends, and the client reads its lines asynchronously.
            if (!request.RequestUri!.Query.Contains("watch=true", StringComparison.Ordinal) || !response.IsSuccessStatusCode)
            {
                await response.Content.LoadIntoBufferAsync(cancellationToken);
            }

            return response;
        }
    }

    // The client's own provider caches a token for a minute, which can outlive a rotation.
    private sealed class TokenFileProvider(string file) : ITokenProvider
    {
        public async Task<AuthenticationHeaderValue> GetAuthenticationHeaderAsync(CancellationToken cancellationToken) =>
            new("Bearer", (await File.ReadAllTextAsync(file, cancellationToken)).Trim());
    }
}
