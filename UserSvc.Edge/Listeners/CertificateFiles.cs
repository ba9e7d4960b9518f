using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Listeners;

/// <summary>
/// One listener's certificate, its intermediates and its key, from PEM files. A changed pair is used from the next handshake; a pair that
/// cannot be used is logged once, and the last good one stays.
/// </summary>
/// <remarks>Kestrel's own reload rebinds the listener, which refuses connections meanwhile and cuts requests after five seconds.</remarks>
internal sealed partial class CertificateFiles
{
    private static readonly TimeSpan ExpiresSoon = TimeSpan.FromDays(14);

    private readonly string _path;
    private readonly string _keyPath;
    private readonly string? _password;
    private readonly ILogger _logger;
    private volatile Loaded _current;
    private byte[] _hash;
    private string? _unusable;

    private CertificateFiles(string endpoint, string path, string keyPath, string? password, ILogger logger)
    {
        (Endpoint, _path, _keyPath, _password, _logger) = (endpoint, path, keyPath, password, logger);
        var (certificates, key) = Read();
        _hash = Hash(certificates, key);
        _current = Load(certificates, key);
        Report(_current);
    }

    public string Endpoint { get; }

    public SslStreamCertificateContext Context => _current.Context;

    public DateTimeOffset Expiry => _current.Expiry;

    /// <summary>Reads the certificate of a Kestrel endpoint from the endpoint's section.</summary>
    /// <exception cref="InvalidConfigurationException">A file is not set, is missing or cannot be used; the message names setting and file.</exception>
    public static CertificateFiles Open(IConfigurationSection endpoint, string contentRoot, ILogger logger)
    {
        var (path, keyPath) = (Setting("Path"), Setting("KeyPath"));
        try
        {
            return new(endpoint.Key, path, keyPath, endpoint["Certificate:Password"], logger);
        }
        catch (Exception failure) when (IsUnusable(failure))
        {
            throw new InvalidConfigurationException(
                $"{endpoint.Path}:Certificate cannot be used, with Path {path} and KeyPath {keyPath}: {failure.Message}", failure);
        }

        string Setting(string name) => endpoint[$"Certificate:{name}"] is { Length: > 0 } value
            ? Path.GetFullPath(value, contentRoot)
            : throw new InvalidConfigurationException($"{endpoint.Path}:Certificate:{name} is not set: {endpoint["Url"]} needs a certificate and its key, as PEM files.");
    }

    /// <summary>Compares content: when Kubernetes swaps a folder's link, the links at these paths do not change.</summary>
    public void Refresh()
    {
        try
        {
            var (certificates, key) = Read();
            var hash = Hash(certificates, key);
            if (hash.AsSpan().SequenceEqual(_hash))
            {
                return;
            }

            _hash = hash;
            _current = Load(certificates, key);
            _unusable = null;
            Report(_current);
        }
        catch (Exception failure) when (IsUnusable(failure))
        {
            if (failure.Message != _unusable)
            {
                _unusable = failure.Message;
                LogUnusable(_logger, Endpoint, failure.Message, _current.Expiry);
            }
        }
    }

    private static bool IsUnusable(Exception failure) => failure is IOException or UnauthorizedAccessException or CryptographicException or ArgumentException;

    private static byte[] Hash(string certificates, string key) => SHA256.HashData(Encoding.UTF8.GetBytes($"{certificates}\0{key}"));

    private (string Certificates, string Key) Read() => (File.ReadAllText(_path), File.ReadAllText(_keyPath));

    private Loaded Load(string certificates, string key)
    {
        using var read = _password is null ? X509Certificate2.CreateFromPem(certificates, key) : X509Certificate2.CreateFromEncryptedPem(certificates, key, _password);
        var intermediates = new X509Certificate2Collection();
        intermediates.ImportFromPem(certificates);
        intermediates.RemoveAt(0);
        // On Windows, TLS cannot use a key that exists only in memory; elsewhere this is merely a copy.
        var certificate = X509CertificateLoader.LoadPkcs12(read.Export(X509ContentType.Pkcs12), null);
        return new(SslStreamCertificateContext.Create(certificate, intermediates, offline: true), certificate.NotAfter.ToUniversalTime());
    }

    private void Report(Loaded loaded)
    {
        LogInUse(_logger, Endpoint, loaded.Context.TargetCertificate.Subject, loaded.Expiry);
        if (loaded.Expiry < DateTimeOffset.UtcNow + ExpiresSoon)
        {
            LogExpiresSoon(_logger, Endpoint, loaded.Expiry);
        }
    }

    private sealed record Loaded(SslStreamCertificateContext Context, DateTimeOffset Expiry);

    [LoggerMessage(Level = LogLevel.Information, Message = "Listener {Listener} uses the certificate of {Subject}, valid until {Expiry:u}")]
    private static partial void LogInUse(ILogger logger, string listener, string subject, DateTimeOffset expiry);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The certificate of listener {Listener} expires on {Expiry:u}; replace it")]
    private static partial void LogExpiresSoon(ILogger logger, string listener, DateTimeOffset expiry);

    [LoggerMessage(Level = LogLevel.Error, Message = "The certificate of listener {Listener} changed but cannot be used ({Reason}); the previous one stays, valid until {Expiry:u}")]
    private static partial void LogUnusable(ILogger logger, string listener, string reason, DateTimeOffset expiry);
}
