using System.Buffers.Text;
using System.ComponentModel.DataAnnotations;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Options;

namespace UserSvc.Api.Users;

/// <summary>Section <c>Admin</c>.</summary>
internal sealed class AdminOptions
{
    /// <summary>The administrator's key, at least 16 characters. No default: without a key, requests that need it get 403.</summary>
    [MinLength(16)]
    public string? Key { get; set; }
}

/// <summary>What an Authorization header claims, not yet checked.</summary>
internal abstract record Credentials
{
    /// <summary>RFC 7617. The name is normalized.</summary>
    public sealed record Basic(string Name, string Password) : Credentials;

    /// <summary>RFC 6750: the administrator's key.</summary>
    public sealed record Bearer(string Key) : Credentials;

    // The generated ToString would print the secrets.
    public sealed override string ToString() => GetType().Name;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <returns>Null when the header is missing or cannot be read.</returns>
    public static Credentials? Read(HttpRequest request)
    {
        var header = request.Headers.Authorization.ToString();
        return header.IndexOf(' ', StringComparison.Ordinal) is > 0 and var space
            ? (header[..space].ToUpperInvariant(), header[space..].Trim(' ', '\t')) switch
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
            // Split at the first colon: a name cannot contain one, a password can.
            return Text.IsText(pair) && pair.IndexOf(':', StringComparison.Ordinal) is >= 0 and var colon && UserName.TryNormalize(pair[..colon], out var name)
                ? new(name, pair[(colon + 1)..])
                : null;
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }
}

/// <summary>Recognizes the administrator by the key.</summary>
internal sealed class Administrator(IOptions<AdminOptions> options)
{
    // The header's text has a character a byte, so that a key that is not ASCII works in UTF-8.
    private readonly byte[]? _key = options.Value.Key is { } key ? Digest(Encoding.UTF8.GetBytes(key)) : null;

    /// <summary>Null for the administrator; otherwise the status to refuse with: 401 without the right key, 403 when no key is configured.</summary>
    public int? GetRefusal(Credentials? credentials) => (_key, credentials) switch
    {
        (null, _) => StatusCodes.Status403Forbidden,
        ({ } expected, Credentials.Bearer bearer) when CryptographicOperations.FixedTimeEquals(expected, Digest(Encoding.Latin1.GetBytes(bearer.Key))) => null,
        _ => StatusCodes.Status401Unauthorized,
    };

    // Digests have the same length for every key; comparing the keys would reveal the length of the right one.
    private static byte[] Digest(byte[] key) => SHA256.HashData(key);
}

internal static class AdministratorExtensions
{
    /// <summary>Asks for the key before the parameters are read: only the administrator learns what is wrong with them.</summary>
    public static RouteHandlerBuilder RequireAdministrator(this RouteHandlerBuilder endpoint)
    {
        endpoint.Add(built =>
        {
            var next = built.RequestDelegate!;
            built.RequestDelegate = context =>
            {
                var (administrator, audit) = (context.RequestServices.GetRequiredService<Administrator>(), context.RequestServices.GetRequiredService<Audit>());
                if (administrator.GetRefusal(Credentials.Read(context.Request)) is { } status)
                {
                    return audit.AdministratorRefused(context, Problems.NotAdministrator(context.Response, status)).ExecuteAsync(context);
                }

                audit.AdministratorRequest(context);
                return next(context);
            };
        });
        return endpoint;
    }
}
