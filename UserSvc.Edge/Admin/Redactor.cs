using System.Text.RegularExpressions;

namespace UserSvc.Edge.Admin;

/// <summary>Hides secrets in shown settings. When in doubt, it hides.</summary>
internal static partial class Redactor
{
    private const string Hidden = "[hidden]";

    /// <summary>Hides the value of a setting whose path, such as <c>Kestrel:Endpoints:Https:Certificate:Password</c>, suggests a secret.</summary>
    public static string? Redact(string path, string? value) => string.IsNullOrEmpty(value) ? value
        : IsSecret(path, value) || value.Contains("-----BEGIN", StringComparison.Ordinal) ? Hidden
        : RedactAddress(value);

    /// <summary>Hides an address's user and query, which may hold a password or a key.</summary>
    public static string RedactAddress(string address) => Query().Replace(User().Replace(address, $"://{Hidden}@"), $"$1?{Hidden}");

    private static bool IsSecret(string path, string value)
    {
        var keys = path.Split(':');
        // The path of a secret file is not a secret.
        var named = keys.Any(key => Names().IsMatch(key) && !FileNames().IsMatch(key));
        return named
            || keys[^1].EndsWith("key", StringComparison.OrdinalIgnoreCase)
            // The value a header or parameter is set to, or must have: it may be a key.
            || (path.Contains(":Transforms:", StringComparison.OrdinalIgnoreCase) && keys[^1].ToUpperInvariant() is "SET" or "APPEND")
            || ((path.Contains(":Match:Headers:", StringComparison.OrdinalIgnoreCase) || path.Contains(":Match:QueryParameters:", StringComparison.OrdinalIgnoreCase))
                && path.Contains(":Values:", StringComparison.OrdinalIgnoreCase))
            || keys[^1].Equals("Query", StringComparison.OrdinalIgnoreCase)
            // Of the logging providers' settings, only the levels are known to be harmless.
            || (keys[0].Equals("Logging", StringComparison.OrdinalIgnoreCase)
                && !Enum.TryParse<LogLevel>(value, ignoreCase: true, out _) && !bool.TryParse(value, out _));
    }

    [GeneratedRegex("password|passwd|secret|token|credential|connection_?string|authorization|api_?-?key|cookie|private", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Names();

    [GeneratedRegex("(file|path)$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex FileNames();

    [GeneratedRegex(@"://[^/\s]*@")]
    private static partial Regex User();

    [GeneratedRegex(@"(://[^?\s]*)\?\S+")]
    private static partial Regex Query();
}
