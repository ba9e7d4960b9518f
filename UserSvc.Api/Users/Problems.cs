using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Net.Http.Headers;

namespace UserSvc.Api.Users;

/// <summary>The refusals of the user endpoints, each with its status, sentence and headers.</summary>
internal static class Problems
{
    public static ProblemHttpResult InvalidName() => TypedResults.Problem(UserName.Rule, statusCode: StatusCodes.Status400BadRequest);

    public static ProblemHttpResult NoSuchUser() => TypedResults.Problem("There is no such user.", statusCode: StatusCodes.Status404NotFound);

    public static ProblemHttpResult Exists() => TypedResults.Problem(
        "The user exists with other content; that user's own credentials replace it.", statusCode: StatusCodes.Status409Conflict);

    public static ProblemHttpResult PreconditionFailed() => TypedResults.Problem(
        "If-Match or If-None-Match does not hold.", statusCode: StatusCodes.Status412PreconditionFailed);

    public static ValidationProblem Invalid(Dictionary<string, string[]> errors) =>
        TypedResults.ValidationProblem(errors, string.Join("; ", errors.Values.Select(e => e[0])) + ".");

    /// <param name="response">Gets the Retry-After header, in whole seconds.</param>
    /// <param name="retryAfter">The time until the next try is allowed.</param>
    public static ProblemHttpResult TooManyTries(HttpResponse response, TimeSpan retryAfter)
    {
        response.Headers.RetryAfter = Math.Max(1, Math.Ceiling(retryAfter.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        return TypedResults.Problem("This user's password has been tried too often.", statusCode: StatusCodes.Status429TooManyRequests);
    }

    /// <summary>401 for that user's own credentials, RFC 7617.</summary>
    public static ProblemHttpResult WrongCredentials(HttpResponse response, string error)
    {
        response.Headers.WWWAuthenticate = "Basic realm=\"usersvc\", charset=\"UTF-8\"";
        return TypedResults.Problem(error, statusCode: StatusCodes.Status401Unauthorized);
    }

    /// <summary>What <see cref="Passwords.Administrator.Refuse"/> says, as an answer.</summary>
    public static ProblemHttpResult NotAdministrator(HttpResponse response, int status)
    {
        if (status == StatusCodes.Status401Unauthorized)
        {
            response.Headers.WWWAuthenticate = "Bearer realm=\"usersvc\"";
            return TypedResults.Problem("This needs the administrator's key.", statusCode: status);
        }

        return TypedResults.Problem("This service has no administrator's key.", statusCode: status);
    }

    /// <summary>
    /// RFC 9110, 13.1.1: by strong comparison, which no version's tag passes, as all are weak; so only <c>*</c> can hold.
    /// </summary>
    public static bool IfMatchFails(this HttpRequest request, bool exists) => request.Headers.IfMatch.Count > 0 && !(exists && request.Headers.IfMatch == "*");

    /// <summary>Whether <c>If-None-Match</c> names this version (RFC 9110, 13.1.2: <c>*</c>, or by weak comparison).</summary>
    public static bool NamesVersion(this HttpRequest request, string etag)
    {
        var header = request.Headers.IfNoneMatch;
        return header.Count > 0 && EntityTagHeaderValue.TryParseList(header, out var tags)
            && tags.Any(tag => tag.Equals(EntityTagHeaderValue.Any) || tag.Compare(EntityTagHeaderValue.Parse(etag), useStrongComparison: false));
    }
}
