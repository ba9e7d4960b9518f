using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Users;

/// <summary>The errors of the user endpoints, each with its status, sentence and headers.</summary>
internal static class Problems
{
    public static ProblemHttpResult InvalidName() => TypedResults.Problem(UserName.Rule, statusCode: StatusCodes.Status400BadRequest);

    public static ProblemHttpResult IndistinctName() => TypedResults.Problem(UserName.NewRule, statusCode: StatusCodes.Status400BadRequest);

    public static ProblemHttpResult NoSuchUser() => TypedResults.Problem("There is no such user.", statusCode: StatusCodes.Status404NotFound);

    public static ProblemHttpResult Conflict() => TypedResults.Problem(
        "A user with this name already exists with different content. Authenticate as that user to replace it.", statusCode: StatusCodes.Status409Conflict);

    public static ProblemHttpResult PreconditionFailed() => TypedResults.Problem(
        "The condition in If-Match or If-None-Match is not met.", statusCode: StatusCodes.Status412PreconditionFailed);

    public static ValidationProblem Invalid(Dictionary<string, string[]> errors) =>
        TypedResults.ValidationProblem(errors, string.Join("; ", errors.Values.Select(e => e[0])) + ".");

    /// <summary>429 with Retry-After, in whole seconds.</summary>
    public static ProblemHttpResult TooManyAttempts(HttpResponse response, TimeSpan retryAfter)
    {
        response.Headers.RetryAfter = Math.Max(1, Math.Ceiling(retryAfter.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        return TypedResults.Problem("Too many wrong passwords for this user or from this address. Try again after the time in Retry-After.", statusCode: StatusCodes.Status429TooManyRequests);
    }

    /// <summary>401 that asks for a user's credentials (RFC 7617).</summary>
    public static ProblemHttpResult WrongCredentials(HttpResponse response, string error)
    {
        response.Headers.WWWAuthenticate = "Basic realm=\"usersvc\", charset=\"UTF-8\"";
        return TypedResults.Problem(error, statusCode: StatusCodes.Status401Unauthorized);
    }

    /// <summary>429 for a throttled check, which has a time to wait; 401 for a wrong password.</summary>
    public static ProblemHttpResult PasswordRefused(HttpResponse response, TimeSpan? retryAfter, string error) =>
        retryAfter is { } wait ? TooManyAttempts(response, wait) : WrongCredentials(response, error);

    /// <summary>The answer for a status from <see cref="Administrator.GetRefusal"/>.</summary>
    public static ProblemHttpResult NotAdministrator(HttpResponse response, int status)
    {
        if (status == StatusCodes.Status401Unauthorized)
        {
            response.Headers.WWWAuthenticate = "Bearer realm=\"usersvc\"";
            return TypedResults.Problem("This request needs the administrator's key.", statusCode: status);
        }

        return TypedResults.Problem("This service has no administrator's key: set Admin:Key and restart it.", statusCode: status);
    }

    /// <summary>
    /// 503: each time we tried, another request changed or deleted the user between our read and our write. That is not the instance's fault:
    /// as overload, proxies do not count it against the instance, nor repeat it on another one.
    /// </summary>
    public static UnavailableException ModifiedConcurrently() => new("The user was modified concurrently; try again.", overloaded: true);
}
