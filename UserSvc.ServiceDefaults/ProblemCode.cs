using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.HttpResults;

namespace UserSvc.ServiceDefaults;

/// <summary>
/// The member <c>code</c> of a problem: what went wrong, for programs. Sentences may be rewritten; a code never changes its name, its
/// status or its meaning, and a new one is added only if a client would act on it.
/// </summary>
public sealed record ProblemCode(int Status, string Name)
{
    public const string Member = "code";

    public static readonly ProblemCode RequestInvalid = new(400, "request_invalid");
    public static readonly ProblemCode NameInvalid = new(400, "name_invalid");
    public static readonly ProblemCode ContentInvalid = new(400, "content_invalid");
    public static readonly ProblemCode CredentialsInvalid = new(401, "credentials_invalid");
    public static readonly ProblemCode Forbidden = new(403, "forbidden");
    public static readonly ProblemCode UserNotFound = new(404, "user_not_found");
    public static readonly ProblemCode UserExists = new(409, "user_exists");
    public static readonly ProblemCode PreconditionFailed = new(412, "precondition_failed");
    public static readonly ProblemCode Throttled = new(429, "throttled");
    public static readonly ProblemCode Overloaded = new(503, "overloaded");

    private static readonly ProblemCode InternalError = new(500, "internal_error");

    /// <summary>All codes, by status. The first one of a status is what its errors have that do not name another.</summary>
    public static IReadOnlyList<ProblemCode> All { get; } =
    [
        RequestInvalid,
        NameInvalid,
        ContentInvalid,
        CredentialsInvalid,
        Forbidden,
        new(404, "path_not_found"),
        UserNotFound,
        new(405, "method_not_allowed"),
        new(408, "request_too_slow"),
        UserExists,
        PreconditionFailed,
        new(413, "body_too_large"),
        new(415, "media_type_unsupported"),
        new(429, "rate_limited"),
        Throttled,
        InternalError,
        new(501, "not_implemented"),
        new(502, "upstream_failed"),
        new(503, "unavailable"),
        Overloaded,
        new(504, "upstream_timeout"),
    ];

    /// <summary>The code of an error that has only a status. One that is not in the table counts as its class (RFC 9110, 15).</summary>
    internal static ProblemCode FromStatus(int status) =>
        All.FirstOrDefault(c => c.Status == status) ?? (status >= StatusCodes.Status500InternalServerError ? InternalError : RequestInvalid);

    /// <summary>The answer with this code and one sentence about it.</summary>
    public ProblemHttpResult Because(string detail) => TypedResults.Problem(detail, statusCode: Status, extensions: [new(Member, Name)]);
}
