using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace UserSvc.Edge.Listeners;

/// <summary>
/// One listener's certificate, with the intermediate ones that are sent with it, and its key, from PEM files. A changed pair takes effect
/// with the next handshake; one that cannot be used is reported once, and the last good one stays.
/// </summary>
/// <remarks>
/// Kestrel's own reload binds the listener anew, which refuses connections meanwhile and cuts those that last more than five seconds.
/// </remarks>
internal sealed partial class CertificateFiles
{
    private static readonly TimeSpan ExpiresSoon = TimeSpan.FromDays(14);

    private readonly string _path;
    private readonly string _keyPath;
    private readonly string? _password;
    private readonly ILogger _logger;
    private volatile Loaded _current;
    private string _seen;
    private string? _unusable;

    private CertificateFiles(string endpoint, string path, string keyPath, string? password, ILogger logger)
    {
        (Endpoint, _path, _keyPath, _password, _logger) = (endpoint, path, keyPath, password, logger);
        _seen = Read();
        _current = Load(_seen);
        Report(_current);
    }

    public string Endpoint { get; }

    public SslStreamCertificateContext Context => _current.Context;

    public DateTimeOffset Expiry => _current.Expiry;

    /// <param name="endpoint">The section of one of Kestrel's endpoints, with an https address.</param>
    /// <param name="contentRoot">What relative paths start at.</param>
    /// <param name="logger">Gets the changes.</param>
    /// <exception cref="InvalidOperationException">Not set, missing or unusable; the message names setting and file.</exception>
    public static CertificateFiles Open(IConfigurationSection endpoint, string contentRoot, ILogger logger)
    {
        var (path, keyPath) = (Setting("Path"), Setting("KeyPath"));
        try
        {
            return new(endpoint.Key, path, keyPath, endpoint["Certificate:Password"], logger);
        }
        catch (Exception failure) when (IsUnusable(failure))
        {
            throw new InvalidOperationException(
                $"{endpoint.Path}:Certificate cannot be used, with Path {path} and KeyPath {keyPath}: {failure.Message}", failure);
        }

        string Setting(string name) => endpoint[$"Certificate:{name}"] is { Length: > 0 } value
            ? Path.GetFullPath(value, contentRoot)
            : throw new InvalidOperationException($"{endpoint.Path}:Certificate:{name} is not set: {endpoint["Url"]} needs a certificate and its key, as PEM files.");
    }

    /// <summary>Looks at the files' content: a link that is set to other files, as Kubernetes does it, leaves no trace on itself.</summary>
    public void Refresh()
    {
        try
        {
            var content = Read();
            if (content == _seen)
            {
                return;
            }

            _seen = content;
            _current = Load(content);
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

    private string Read() => File.ReadAllText(_path) + '\0' + File.ReadAllText(_keyPath);

    private Loaded Load(string content)
    {
        var pem = content.Split('\0');
        using var read = _password is null ? X509Certificate2.CreateFromPem(pem[0], pem[1]) : X509Certificate2.CreateFromEncryptedPem(pem[0], pem[1], _password);
        var all = new X509Certificate2Collection();
        all.ImportFromPem(pem[0]);
        all.RemoveAt(0);
        // Windows takes no key that lives in memory alone; elsewhere this is a copy.
        var certificate = X509CertificateLoader.LoadPkcs12(read.Export(X509ContentType.Pkcs12), null);
        return new(SslStreamCertificateContext.Create(certificate, all, offline: true), certificate.NotAfter.ToUniversalTime());
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

    [LoggerMessage(Level = LogLevel.Information, Message = "Listener {Listener} has the certificate of {Subject}, valid until {Expiry:u}")]
    private static partial void LogInUse(ILogger logger, string listener, string subject, DateTimeOffset expiry);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The certificate of listener {Listener} is valid only until {Expiry:u}")]
    private static partial void LogExpiresSoon(ILogger logger, string listener, DateTimeOffset expiry);

    [LoggerMessage(Level = LogLevel.Error, Message = "The certificate of listener {Listener} has changed and cannot be used ({Reason}): the last one stays, valid until {Expiry:u}")]
    private static partial void LogUnusable(ILogger logger, string listener, string reason, DateTimeOffset expiry);
}
