using System.Text.RegularExpressions;

namespace UserSvc.Api.Database;

/// <summary>
/// Splits <c>postgresql://user:password@host1:port1,host2/database?keyword=value</c> into libpq's keywords and values. System.Uri
/// takes neither several hosts nor a host like <c>%2Fvar%2Frun</c>.
/// </summary>
internal static partial class ConnectionUri
{
    public static IEnumerable<(string Key, string Value)> Split(string text)
    {
        if (Parts().Match(text) is not { Success: true } uri)
        {
            throw ConnectionString.Refuse("is not a valid URI: percent-encode special characters in the user name and the password.");
        }

        var hosts = uri.Groups["host"].Captures.Select(host => Decode(host.Value).Trim('[', ']'));
        var ports = uri.Groups["port"].Captures.Select(port => port.Value).ToList();
        IEnumerable<(string, string)> authority =
        [
            ("user", Decode(uri.Groups["user"].Value)),
            ("password", Decode(uri.Groups["password"].Value)),
            ("host", string.Join(',', hosts)),
            ("port", ports.TrueForAll(port => port.Length == 0) ? "" : string.Join(',', ports)),
            ("dbname", Decode(uri.Groups["database"].Value)),
        ];
        return authority.Concat(uri.Groups["key"].Captures.Zip(uri.Groups["value"].Captures, (key, value) => (Decode(key.Value), Decode(value.Value))));
    }

    private static string Decode(string text) => BadEscape().IsMatch(text)
        ? throw ConnectionString.Refuse("has a % in its URI that is not followed by two hexadecimal digits: write it as %25.")
        : Uri.UnescapeDataString(text);

    [GeneratedRegex(
        """
        ^postgres(?:ql)?://
        (?: (?<user>[^:@/]*) (?: : (?<password>[^@/]*) )? @ )?
        (?<host>\[[^\]@]*\]|[^:/?,@\[]*) (?: : (?<port>\d+) | (?<port>) ) (?: , (?<host>\[[^\]@]*\]|[^:/?,@\[]*) (?: : (?<port>\d+) | (?<port>) ) )*
        (?: / (?<database>[^?]*) )?
        (?: \? (?: (?<key>[^=&]+) = (?<value>[^&]*) (?: & (?!$) | $ ) )* )?$
        """,
        RegexOptions.IgnoreCase | RegexOptions.IgnorePatternWhitespace | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Parts();

    // %00 would end a name in PostgreSQL.
    [GeneratedRegex("%(?![0-9A-Fa-f]{2})|%00")]
    private static partial Regex BadEscape();
}
