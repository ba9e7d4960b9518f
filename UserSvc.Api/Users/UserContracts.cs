using System.ComponentModel.DataAnnotations;
using System.Reflection;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.Metadata;
using Microsoft.Net.Http.Headers;
using UserSvc.Api.Database;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Users;

// Until it is validated, a field can be null. The types and attributes describe a valid body, for the OpenAPI document.

/// <summary>The body of PUT.</summary>
/// <param name="Fullname">1 to 2048 Unicode scalars, no U+0000.</param>
/// <param name="Password">8 to 256 Unicode scalars after NFC, no control characters.</param>
internal sealed record UserContent(
    [property: Length(1, 2048), RegularExpression("""^[^\u0000\uFFFE]*$""")] string Fullname,
    [property: Length(8, 256), RegularExpression(PasswordRequest.Pattern)] string Password)
{
    /// <summary>The errors by field; empty when the content is valid.</summary>
    public Dictionary<string, string[]> Validate() => CollectErrors(("fullname", GetFullnameError()), ("password", PasswordRequest.GetError(Password)));

    // The generated ToString would print the password.
    public override string ToString() => nameof(UserContent);

    internal static Dictionary<string, string[]> CollectErrors(params ReadOnlySpan<(string Field, string? Error)> fields)
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

    private string? GetFullnameError() => Fullname switch
    {
        null => "fullname is required",
        _ when Fullname.Contains('\0') || !Text.IsText(Fullname) => "fullname must not contain U+0000, U+FFFE or lone surrogates",
        _ when Text.CountScalars(Fullname) is 0 or > 2048 => "fullname must be 1 to 2048 characters long",
        _ => null,
    };
}

/// <summary>The body of verify.</summary>
internal sealed record PasswordRequest([property: Length(8, 256), RegularExpression(PasswordRequest.Pattern)] string Password)
{
    public const string Pattern = """^[^\p{Cc}\uFFFE]*$""";


    public Dictionary<string, string[]> Validate() => UserContent.CollectErrors(("password", GetError(Password)));

    public override string ToString() => nameof(PasswordRequest);

    public static string? GetError(string? password) => password switch
    {
        null => "password is required",
        _ when !Text.IsText(password) || password.Any(char.IsControl) => "password must not contain control characters, U+FFFE or lone surrogates",
        _ when Text.CountScalars(password.Normalize(NormalizationForm.FormC)) is < 8 or > 256 => "password must be 8 to 256 characters long",
        _ => null,
    };
}

/// <summary>A user in an answer.</summary>
/// <param name="Ok">Always true.</param>
/// <param name="Uuid">32 upper-case hexadecimal digits.</param>
/// <param name="Fullname">As given by the last PUT.</param>
/// <param name="Hostname">The instance that answers.</param>
/// <param name="Resolvedname">Its address.</param>
internal sealed record UserAnswer(bool Ok, string Uuid, string Fullname, string Hostname, string Resolvedname)
{
    public static UserAnswer From(User user, Instance instance) => new(true, user.UuidText, user.Fullname, instance.Name, instance.Address);
}

/// <summary>
/// 200 with a user and a Content-Length. <c>TypedResults.Ok</c> serializes straight into the response without one, so every answer
/// would be chunked, here and again by the edge.
/// </summary>
internal sealed class UserOk(UserAnswer answer) : IResult, IEndpointMetadataProvider
{
    public Task ExecuteAsync(HttpContext httpContext)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(answer, UserJson.Wire.UserAnswer);
        httpContext.Response.ContentType = "application/json; charset=utf-8";
        httpContext.Response.ContentLength = body.Length;
        return httpContext.Response.Body.WriteAsync(body, 0, body.Length);
    }

    public static void PopulateMetadata(MethodInfo method, EndpointBuilder builder) =>
        builder.Metadata.Add(new ProducesResponseTypeMetadata(StatusCodes.Status200OK, typeof(UserAnswer), ["application/json"]));
}

/// <summary>A user in a list.</summary>
internal sealed record ListedUser(string Uuid, string Name, string Fullname);

/// <summary>A page of users ordered by name.</summary>
/// <param name="Ok">Always true.</param>
/// <param name="Users">At most <c>limit</c> users.</param>
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
        json.NumberHandling = JsonNumberHandling.Strict;
    }
}

/// <summary>
/// JSON is UTF-8 (RFC 8259, 8.1): a Content-Type with that charset counts as one without, any other charset is 415. ASP.NET would
/// throw on charsets it does not know, and on quoted "utf-8".
/// </summary>
internal static class Utf8Only
{
    public static void UseUtf8Only(this IApplicationBuilder app) => app.Use(next => context =>
    {
        if (context.GetEndpoint()?.Metadata.GetMetadata<IAcceptsMetadata>() is not null && context.Request.ContentType is { } contentType && contentType.Contains("charset", StringComparison.OrdinalIgnoreCase)
            && MediaTypeHeaderValue.TryParse(contentType, out var type))
        {
            if (!HeaderUtilities.RemoveQuotes(type.Charset).Equals("utf-8", StringComparison.OrdinalIgnoreCase))
            {
                throw new BadHttpRequestException("charset", StatusCodes.Status415UnsupportedMediaType);
            }

            context.Request.ContentType = type.MediaType.ToString();
        }

        return next(context);
    });
}
