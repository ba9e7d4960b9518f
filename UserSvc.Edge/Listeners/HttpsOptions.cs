namespace UserSvc.Edge.Listeners;

/// <summary>
/// Section <c>Edge:Https</c>: TLS on the public listeners, beyond what Kestrel's own settings say. Those name the listener and its PEM files:
/// <c>Kestrel:Endpoints:Https:Url</c>, <c>Certificate:Path</c> and <c>Certificate:KeyPath</c>.
/// </summary>
internal sealed class HttpsOptions
{
    public const string Section = "Edge:Https";

    /// <summary>How often certificate files are checked for changes. Default 5 s; 100 ms to 1 h.</summary>
    public TimeSpan ReloadInterval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a client may take for its TLS handshake, from the accept on. Default 10 s; 100 ms to 5 min.</summary>
    public TimeSpan HandshakeTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>The port to redirect cleartext requests to (308), usually 443. Default none: they are served.</summary>
    public int? RedirectPort { get; set; }

    /// <summary>The <c>max-age</c> of Strict-Transport-Security in answers over TLS, in whole seconds, at least one. Default none: no such header.</summary>
    public TimeSpan? HstsMaxAge { get; set; }

    /// <summary>Adds <c>includeSubDomains</c> to the header. Default false.</summary>
    public bool HstsIncludeSubDomains { get; set; }

    /// <summary>Adds <c>preload</c> to the header, which agrees to be in browsers' built-in lists. Default false.</summary>
    public bool HstsPreload { get; set; }

    public bool IsValid() => ReloadInterval >= TimeSpan.FromMilliseconds(100) && ReloadInterval <= TimeSpan.FromHours(1)
        && HandshakeTimeout >= TimeSpan.FromMilliseconds(100) && HandshakeTimeout <= TimeSpan.FromMinutes(5)
        && RedirectPort is null or (>= 1 and <= 65535)
        && HstsMaxAge is null or { Ticks: >= TimeSpan.TicksPerSecond };
}
