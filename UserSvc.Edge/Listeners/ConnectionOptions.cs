namespace UserSvc.Edge.Listeners;

/// <summary>Section <c>Edge:Connections</c>: how many connections each listener takes, and from whom.</summary>
internal sealed class ConnectionOptions
{
    public const string Section = "Edge:Connections";

    /// <summary>Connections open at once, for each listener. Default 10000; 1 to 1,000,000.</summary>
    public int Max { get; set; } = 10_000;

    /// <summary>New connections a second from one address at a public listener, on average over 10 s. Default 200; 1 to 100,000; 0 means no such limit.</summary>
    public int AddressPerSecond { get; set; } = 200;

    /// <summary>TLS handshakes in progress at once, for each listener. Default 1000; 1 to 1,000,000.</summary>
    public int MaxHandshakes { get; set; } = 1_000;

    /// <summary>
    /// HTTP/2 requests that a client may reset before their answers begin, beyond those that were answered on the same connection; one more, and
    /// the connection is closed. Default 100; 0 to 1,000,000; 0 means no such limit.
    /// </summary>
    public int MaxResets { get; set; } = 100;

    /// <summary>How long a client may send nothing after the accept, or after the TLS handshake. Default 10 s; 100 ms to 1 h.</summary>
    public TimeSpan FirstByteTimeout { get; set; } = TimeSpan.FromSeconds(10);

    public bool IsValid() => Max is >= 1 and <= 1_000_000 && AddressPerSecond is >= 0 and <= 100_000
        && MaxHandshakes is >= 1 and <= 1_000_000 && MaxResets is >= 0 and <= 1_000_000
        && FirstByteTimeout >= TimeSpan.FromMilliseconds(100) && FirstByteTimeout <= TimeSpan.FromHours(1);
}
