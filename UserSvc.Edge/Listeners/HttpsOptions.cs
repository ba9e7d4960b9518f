namespace UserSvc.Edge.Listeners;

/// <summary>
/// Section <c>Edge:Https</c>: what goes with TLS on the public listeners. The listener and its certificate are Kestrel's own:
/// <c>Kestrel:Endpoints:Https:Url</c>, <c>Certificate:Path</c> and <c>Certificate:KeyPath</c>, PEM files.
/// </summary>
internal sealed class HttpsOptions
{
    public const string Section = "Edge:Https";

    /// <summary>How often certificate files are looked at for a change: 100 ms to 1 h, default 5 s.</summary>
    public TimeSpan ReloadInterval { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>The port that cleartext requests are redirected to (308), 443 mostly. Default none: they are served.</summary>
    public int? RedirectPort { get; set; }

    /// <summary>The <c>max-age</c> of Strict-Transport-Security in answers over TLS, in whole seconds; above zero. Default none: no such header.</summary>
    public TimeSpan? HstsMaxAge { get; set; }

    /// <summary>Adds <c>includeSubDomains</c> to it. Default false.</summary>
    public bool HstsIncludeSubDomains { get; set; }

    /// <summary>Adds <c>preload</c> to it, consent to browsers' built-in lists. Default false.</summary>
    public bool HstsPreload { get; set; }

    public bool IsValid() => ReloadInterval >= TimeSpan.FromMilliseconds(100) && ReloadInterval <= TimeSpan.FromHours(1)
        && RedirectPort is null or (>= 1 and <= 65535)
        && HstsMaxAge is null or { Ticks: >= TimeSpan.TicksPerSecond };
}
