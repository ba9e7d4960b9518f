using System.Text.RegularExpressions;

namespace UserSvc.Edge.Admin;

/// <summary>Keeps what must not be seen out of a configuration that is shown: rather too much than one secret.</summary>
internal static partial class Secrets
{
    private const string Hidden = "[hidden]";

    /// <param name="path">The setting, as <c>Kestrel:Endpoints:Https:Certificate:Password</c>.</param>
    /// <param name="value">What it is set to.</param>
    public static string? Hide(string path, string? value) => string.IsNullOrEmpty(value) ? value
        : IsSecret(path, value) || value.Contains("-----BEGIN", StringComparison.Ordinal) ? Hidden
        : WithoutCredentials(value);

    /// <summary>An address without its user and query, which may be a password and a key.</summary>
    public static string WithoutCredentials(string address) => Query().Replace(User().Replace(address, $"://{Hidden}@"), $"$1?{Hidden}");

    private static bool IsSecret(string path, string value)
    {
        var keys = path.Split(':');
        // A path of a file is no secret, whatever is in the file.
        var named = keys.Any(key => Names().IsMatch(key) && !FileNames().IsMatch(key));
        return named
            || keys[^1].EndsWith("key", StringComparison.OrdinalIgnoreCase)
            // What a header or parameter is set to, or must be: for which of them that is a key, only its author knows.
            || (path.Contains(":Transforms:", StringComparison.OrdinalIgnoreCase) && keys[^1].ToUpperInvariant() is "SET" or "APPEND")
            || ((path.Contains(":Match:Headers:", StringComparison.OrdinalIgnoreCase) || path.Contains(":Match:QueryParameters:", StringComparison.OrdinalIgnoreCase))
                && path.Contains(":Values:", StringComparison.OrdinalIgnoreCase))
            || keys[^1].Equals("Query", StringComparison.OrdinalIgnoreCase)
            // Providers have settings of their own, of which nothing is known but the levels.
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
