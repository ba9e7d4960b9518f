using System.Diagnostics.Metrics;
using System.Net.Security;
using System.Security.Authentication;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Options;

namespace UserSvc.Edge.Listeners;

/// <summary>
/// The certificates of all https listeners: read before anything listens, then checked for changes at an interval.
/// <c>edge.tls.certificate.expiry</c> measures how long each remains valid.
/// </summary>
internal sealed class TlsCertificates : BackgroundService
{
    private readonly Dictionary<string, CertificateFiles> _files;
    private readonly IOptions<HttpsOptions> _options;
    private readonly TimeProvider _time;

    public TlsCertificates(
        IConfiguration configuration, IHostEnvironment environment, IOptions<HttpsOptions> options, TimeProvider time, IMeterFactory meters, ILogger<TlsCertificates> logger)
    {
        (_options, _time) = (options, time);
        _files = configuration.GetSection("Kestrel:Endpoints").GetChildren()
            .Where(endpoint => endpoint["Url"]?.StartsWith("https://", StringComparison.OrdinalIgnoreCase) is true)
            .ToDictionary(endpoint => endpoint.Key, endpoint => CertificateFiles.Open(endpoint, environment.ContentRootPath, logger), StringComparer.OrdinalIgnoreCase);
        meters.Create("UserSvc.Edge").CreateObservableGauge(
            "edge.tls.certificate.expiry",
            () => _files.Values.Select(files => new Measurement<double>(
                (files.Expiry - time.GetUtcNow()).TotalSeconds, new KeyValuePair<string, object?>("edge.listener", files.Endpoint))),
            "s",
            "How long the certificate in use remains valid.");
    }

    /// <summary>Gives the listener its certificate and TLS 1.2 or later. Kestrel adds ALPN for the listener's HTTP versions.</summary>
    public void Secure(string endpoint, ListenOptions listener)
    {
        var files = _files[endpoint];
        listener.UseHttps(new TlsHandshakeCallbackOptions
        {
            HandshakeTimeout = _options.Value.HandshakeTimeout,
            OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = files.Context,
                EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            }),
        });
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var tick = new PeriodicTimer(_options.Value.ReloadInterval, _time);
        while (_files.Count > 0 && await tick.WaitForNextTickAsync(stoppingToken))
        {
            foreach (var files in _files.Values)
            {
                files.Refresh();
            }
        }
    }
}
