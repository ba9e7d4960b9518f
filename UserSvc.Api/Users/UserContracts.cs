using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace UserSvc.Api.Users;

/// <summary>The body of PUT.</summary>
/// <param name="Fullname">1 to 2048 Unicode scalars, no U+0000.</param>
/// <param name="Password">8 to 256 Unicode scalars after NFC, no control characters.</param>
internal sealed record UserContent(string? Fullname, string? Password)
{
    /// <summary>What is wrong, by field; empty when nothing is.</summary>
    public Dictionary<string, string[]> Validate() => Errors(("fullname", FullnameError()), ("password", PasswordRequest.ErrorOf(Password)));

    // The compiler's would print the password.
    public override string ToString() => nameof(UserContent);

    internal static Dictionary<string, string[]> Errors(params ReadOnlySpan<(string Field, string? Error)> fields)
    {
        var errors = new Dictionary<string, string[]>();
        foreach (var (field, error) in fields)
        {
            if (error is not null)
            {
                errors[field] = [error];
            }
        }

        return errors;
    }

    private string? FullnameError() => Fullname switch
    {
        null => "fullname is required",
        _ when Fullname.Contains('\0') || !Text.IsText(Fullname) => "fullname must not hold U+0000, U+FFFE or lone surrogates",
        _ when Text.Scalars(Fullname) is 0 or > 2048 => "fullname must be 1 to 2048 characters long",
        _ => null,
    };
}

/// <summary>The body of verify.</summary>
internal sealed record PasswordRequest(string? Password)
{
    public Dictionary<string, string[]> Validate() => UserContent.Errors(("password", ErrorOf(Password)));

    public override string ToString() => nameof(PasswordRequest);

    public static string? ErrorOf(string? password) => password switch
    {
        null => "password is required",
        _ when !Text.IsText(password) || password.Any(char.IsControl) => "password must not hold control characters, U+FFFE or lone surrogates",
        _ when Text.Scalars(password.Normalize(NormalizationForm.FormC)) is < 8 or > 256 => "password must be 8 to 256 characters long",
        _ => null,
    };
}

/// <summary>A user in an answer.</summary>
/// <param name="Ok">Always true.</param>
/// <param name="Uuid">32 upper-case hexadecimal digits.</param>
/// <param name="Fullname">As given by the last PUT.</param>
/// <param name="Hostname">The instance that answers.</param>
/// <param name="Resolvedname">Its address.</param>
internal sealed record UserAnswer(bool Ok, string Uuid, string Fullname, string Hostname, string Resolvedname);

/// <summary>A user in a list.</summary>
internal sealed record ListedUser(string Uuid, string Name, string Fullname);

/// <summary>A page of users in the order of their names.</summary>
/// <param name="Ok">Always true.</param>
/// <param name="Users">At most <c>limit</c> of them.</param>
/// <param name="Next">The <c>after</c> of the next page; null on the last one.</param>
/// <param name="Hostname">The instance that answers.</param>
/// <param name="Resolvedname">Its address.</param>
internal sealed record UserPage(bool Ok, IReadOnlyList<ListedUser> Users, string? Next, string Hostname, string Resolvedname);

/// <summary>The answer of <c>GET /user/health</c>.</summary>
internal sealed record HealthAnswer(bool Ok, string Msg, string Hostname, string Resolvedname);

[JsonSerializable(typeof(UserContent))]
[JsonSerializable(typeof(PasswordRequest))]
[JsonSerializable(typeof(UserAnswer))]
[JsonSerializable(typeof(UserPage))]
[JsonSerializable(typeof(HealthAnswer))]
internal sealed partial class UserJson : JsonSerializerContext
{
    public static UserJson Wire { get; } = new(new JsonSerializerOptions(JsonSerializerDefaults.Web) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    public static void Configure(JsonSerializerOptions json)
    {
        json.TypeInfoResolverChain.Insert(0, Default);
        json.PropertyNameCaseInsensitive = false;
        json.AllowDuplicateProperties = false;
    }
}
