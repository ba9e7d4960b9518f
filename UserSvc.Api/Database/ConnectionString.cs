using System.Data.Common;
using System.Text.RegularExpressions;
using Npgsql;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Database;

/// <summary>
/// Reads <c>ConnectionStrings:users</c> as psql and Npgsql take it: <c>postgresql://me@db/users</c>, <c>host=db user=me</c> or
/// <c>Host=db;Username=me</c>, with the keywords of either. Errors name keywords, never values, which may be secret.
/// </summary>
internal static partial class ConnectionString
{
    /// <exception cref="InvalidConfigurationException">One line that says what is wrong.</exception>
    public static NpgsqlConnectionStringBuilder Parse(string? text)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            throw Refuse("is not set. Set it to PostgreSQL's connection string, such as Host=localhost;Username=usersvc;Database=users.");
        }

        var builder = new NpgsqlConnectionStringBuilder();
        var given = new Dictionary<string, (string Key, string Value)>(StringComparer.OrdinalIgnoreCase);
        var previous = "";
        foreach (var (key, value) in Split(text.Trim()).Where(pair => pair.Value.Length > 0))
        {
            var keyword = Libpq.ToNpgsql(key);
            // ContainsKey is true for every keyword that Npgsql knows.
            if (!builder.ContainsKey(keyword))
            {
                throw Refuse(Unknown(key, previous));
            }

            if (given.TryGetValue(keyword, out var other) && !other.Key.Equals(key, StringComparison.OrdinalIgnoreCase))
            {
                throw Refuse($"has both {other.Key} and {key}, which mean the same. Leave one of them out.");
            }

            given[keyword] = (previous = key, value);
        }

        if (given.TryGetValue("Port", out var ports) && ports.Value.Contains(',') && given.TryGetValue("Host", out var hosts))
        {
            given["Host"] = (hosts.Key, Join(hosts.Value, ports.Value));
            given.Remove("Port");
        }

        foreach (var (keyword, (key, value)) in given)
        {
            try
            {
                builder[keyword] = Libpq.ToNpgsql(key, value);
            }
            catch (ArgumentException)
            {
                throw Refuse($"has a value of {key} that Npgsql does not take. See https://www.npgsql.org/doc/connection-string-parameters.html.");
            }
        }

        if (string.IsNullOrEmpty(builder.Host))
        {
            throw Refuse("names no host. Add Host: a name, an address or the folder of a Unix socket.");
        }

        if (given.TryGetValue("Root Certificate", out var root) && root.Key == "sslrootcert")
        {
            Libpq.ApplyRoot(builder, root.Value);
        }

        return builder;
    }

    /// <exception cref="InvalidConfigurationException">A file that the connection string names cannot be read.</exception>
    public static void RequireFiles(NpgsqlConnectionStringBuilder builder)
    {
        (string Keyword, string? Path)[] files =
        [
            ("Root Certificate", builder.RootCertificate), ("SSL Certificate", builder.SslCertificate), ("SSL Key", builder.SslKey), ("Passfile", builder.Passfile),
        ];
        foreach (var (keyword, path) in files.Where(file => !string.IsNullOrEmpty(file.Path)))
        {
            try
            {
                File.OpenRead(path!).Dispose();
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw Refuse($"names a file as {keyword} that is missing or that this user may not read.");
            }
        }
    }

    /// <exception cref="InvalidConfigurationException">Npgsql does not take the settings together, such as Multiplexing without Pooling.</exception>
    public static void RequireNpgsql(NpgsqlConnectionStringBuilder builder)
    {
        try
        {
            NpgsqlDataSource.Create(builder).Dispose();
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            throw Refuse($"cannot be used: {e.Message.TrimEnd('.')}.");
        }
    }

    private static IEnumerable<(string Key, string Value)> Split(string text) =>
        UriStart().IsMatch(text) ? ConnectionUri.Split(text)
        : Words().Match(text) is { Success: true } words
            ? words.Groups["key"].Captures.Zip(words.Groups["value"].Captures, (key, value) => (key.Value, Escape().Replace(value.Value, "$1")))
        : SplitPairs(text);

    private static IEnumerable<(string Key, string Value)> SplitPairs(string text)
    {
        try
        {
            var pairs = new DbConnectionStringBuilder { ConnectionString = text };
            return pairs.Keys.Cast<string>().Select(key => (key, $"{pairs[key]}"));
        }
        catch (ArgumentException)
        {
            throw Refuse("is not a connection string. Write it as Host=…;Username=…;Database=…, or as postgresql://user@host/database.");
        }
    }

    // After the password, what follows an unquoted semicolon or space in it is taken for a keyword.
    private static string Unknown(string key, string previous) =>
        Libpq.IsUnsupported(key) || (Keyword().IsMatch(key) && previous.ToUpperInvariant() is not ("PASSWORD" or "PWD" or "PSW" or "SSL PASSWORD" or "SSLPASSWORD"))
            ? $"has the keyword {key}, which is not supported. Leave it out, or see https://www.npgsql.org/doc/connection-string-parameters.html."
            : "holds something that is not a keyword. Quote a password with a semicolon or a space in it, and write a URI as postgresql://….";

    private static string Join(string hosts, string ports)
    {
        var (host, port) = (hosts.Split(','), ports.Split(','));
        return host.Length == port.Length
            ? string.Join(',', host.Zip(port, (h, p) => (h.Contains(':') && h[0] is not ('/' or '[') ? $"[{h}]" : h) + (p.Length > 0 ? $":{p}" : "")))
            : throw Refuse("has another number of ports than of hosts. Give each host its port, or all of them one.");
    }

    public static InvalidConfigurationException Refuse(string reason) => new($"ConnectionStrings:users {reason}");

    [GeneratedRegex("^postgres(ql)?://", RegexOptions.IgnoreCase)]
    private static partial Regex UriStart();

    // host=db user = me password='it\'s me'
    [GeneratedRegex(@"^(?:(?<key>\w+)\s*=\s*(?:'(?<value>(?:[^'\\]|\\.)*)'|(?<value>(?:[^\s'\\;]|\\.)*))(?:\s+|$))+$", RegexOptions.None, 1000)]
    private static partial Regex Words();

    [GeneratedRegex(@"\\(.)")]
    private static partial Regex Escape();

    [GeneratedRegex(@"^\w[\w ]*$")]
    private static partial Regex Keyword();
}
