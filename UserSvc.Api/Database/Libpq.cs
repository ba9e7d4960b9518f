using Npgsql;

namespace UserSvc.Api.Database;

/// <summary>libpq's connection keywords in Npgsql's terms.</summary>
internal static class Libpq
{
    // Those that Npgsql knows under another name.
    private static readonly Dictionary<string, string> Keywords = new(StringComparer.OrdinalIgnoreCase)
    {
        ["application_name"] = "Application Name",
        ["channel_binding"] = "Channel Binding",
        ["client_encoding"] = "Client Encoding",
        ["connect_timeout"] = "Timeout",
        ["dbname"] = "Database",
        ["gssencmode"] = "GSS Encryption Mode",
        ["hostaddr"] = "Host",
        ["keepalives"] = "Tcp Keepalive",
        ["keepalives_idle"] = "Tcp Keepalive Time",
        ["keepalives_interval"] = "Tcp Keepalive Interval",
        ["krbsrvname"] = "Kerberos Service Name",
        ["load_balance_hosts"] = "Load Balance Hosts",
        ["sslcert"] = "SSL Certificate",
        ["sslkey"] = "SSL Key",
        ["sslmode"] = "SSL Mode",
        ["sslnegotiation"] = "SSL Negotiation",
        ["sslpassword"] = "SSL Password",
        ["sslrootcert"] = "Root Certificate",
        ["target_session_attrs"] = "Target Session Attributes",
        ["user"] = "Username",
    };

    private static readonly HashSet<string> Unsupported = new(StringComparer.OrdinalIgnoreCase)
    {
        "fallback_application_name", "gssdelegation", "gsslib", "keepalives_count", "replication", "require_auth", "requirepeer", "requiressl", "service", "servicefile",
        "ssl_max_protocol_version", "ssl_min_protocol_version", "sslcertmode", "sslcompression", "sslcrl", "sslcrldir", "sslsni", "tcp_user_timeout",
    };

    /// <summary>Whether this is a keyword of libpq's for which Npgsql has none.</summary>
    public static bool IsUnsupported(string keyword) => Unsupported.Contains(keyword);

    public static string ToNpgsql(string keyword) => Keywords.GetValueOrDefault(keyword, keyword);

    public static string ToNpgsql(string keyword, string value) => keyword.ToUpperInvariant() switch
    {
        // verify-full is VerifyFull, case aside.
        "SSLMODE" or "SSL MODE" => value.Replace("-", "", StringComparison.Ordinal),
        "KEEPALIVES" => value == "0" ? "false" : "true",
        "LOAD_BALANCE_HOSTS" => value == "random" ? "true" : value == "disable" ? "false" : value,
        _ => value,
    };

    /// <summary>libpq verifies more than Npgsql when it has a CA: with <c>require</c> the certificate, with <c>system</c> the host name, too.</summary>
    public static void ApplyRoot(NpgsqlConnectionStringBuilder builder, string sslrootcert)
    {
        if (sslrootcert == "system")
        {
            (builder.RootCertificate, builder.SslMode) = (null, SslMode.VerifyFull);
        }
        else if (builder.SslMode is SslMode.Require)
        {
            builder.SslMode = SslMode.VerifyCA;
        }
    }
}
