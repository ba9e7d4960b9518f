using System.Buffers.Text;
using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;
using UserSvc.Api.Users;

namespace UserSvc.Api.Passwords;

/// <summary>Section <c>Admin</c>.</summary>
internal sealed class AdminOptions
{
    /// <summary>The administrator's key, 16 characters or more. No default: without one, what only an administrator may do is 403.</summary>
    [MinLength(16)]
    public string? Key { get; set; }
}

/// <summary>What an Authorization header says, unproven.</summary>
internal abstract record Credentials
{
    /// <summary>RFC 7617; the name is normalised, the password is as it is hashed.</summary>
    public sealed record Basic(string Name, byte[] Password) : Credentials;

    /// <summary>RFC 6750: the administrator's key.</summary>
    public sealed record Bearer(string Key) : Credentials;

    // The compiler's would print what they are.
    public sealed override string ToString() => GetType().Name;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <returns>Null where there is no such header, or none that can be understood.</returns>
    public static Credentials? Read(HttpRequest request)
    {
        var header = request.Headers.Authorization.ToString();
        return header.IndexOf(' ', StringComparison.Ordinal) is > 0 and var space
            ? (header[..space].ToUpperInvariant(), header[space..].Trim()) switch
            {
                ("BASIC", var token) => ReadBasic(token),
                ("BEARER", { Length: > 0 } key) => new Bearer(key),
                _ => null,
            }
            : null;
    }

    private static Basic? ReadBasic(string token)
    {
        if (!Base64.IsValid(token))
        {
            return null;
        }

        try
        {
            var pair = StrictUtf8.GetString(Convert.FromBase64String(token));
            // The name cannot hold a colon, the password can.
            return Text.IsText(pair) && pair.IndexOf(':', StringComparison.Ordinal) is >= 0 and var colon && UserName.TryNormalize(pair[..colon], out var name)
                ? new(name, Text.PasswordBytes(pair[(colon + 1)..]))
                : null;
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}

/// <summary>Tells the administrator by the key.</summary>
internal sealed class Administrator(IOptions<AdminOptions> options)
{
    private readonly byte[]? _key = options.Value.Key is { } key ? Digest(key) : null;

    /// <summary>Null when it is the administrator; else the status to refuse with: 401 for another key, 403 where there is none.</summary>
    public int? Refuse(Credentials? credentials) => (_key, credentials) switch
    {
        (null, _) => StatusCodes.Status403Forbidden,
        ({ } expected, Credentials.Bearer bearer) when CryptographicOperations.FixedTimeEquals(expected, Digest(bearer.Key)) => null,
        _ => StatusCodes.Status401Unauthorized,
    };

    // Of equal length whatever the key's, which the comparison would tell otherwise.
    private static byte[] Digest(string key) => SHA256.HashData(Encoding.UTF8.GetBytes(key));
}
