using System.Globalization;
using Microsoft.AspNetCore.Http.HttpResults;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Users;

/// <summary>The errors of the user endpoints, each with its code, sentence and headers.</summary>
internal static class Problems
{
    public static ProblemHttpResult InvalidName() => ProblemCode.NameInvalid.Because(UserName.Rule);

    public static ProblemHttpResult IndistinctName() => ProblemCode.NameInvalid.Because(UserName.NewRule);

    public static ProblemHttpResult NoSuchUser() => ProblemCode.UserNotFound.Because("There is no such user.");

    public static ProblemHttpResult Conflict() => ProblemCode.UserExists.Because(
        "A user with this name already exists with different content. Authenticate as that user to replace it.");

    public static ProblemHttpResult PreconditionFailed() => ProblemCode.PreconditionFailed.Because("The condition in If-Match or If-None-Match is not met.");

    public static ProblemHttpResult Invalid(Dictionary<string, string[]> errors) => TypedResults.Problem(new HttpValidationProblemDetails(errors)
    {
        Status = ProblemCode.ContentInvalid.Status,
        Detail = string.Join("; ", errors.Values.Select(e => e[0])) + ".",
        Extensions = { [ProblemCode.Member] = ProblemCode.ContentInvalid.Name },
    });

    /// <summary>429 with Retry-After, in whole seconds.</summary>
    public static ProblemHttpResult TooManyAttempts(HttpResponse response, TimeSpan retryAfter)
    {
        response.Headers.RetryAfter = Math.Max(1, Math.Ceiling(retryAfter.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        return ProblemCode.Throttled.Because("Too many wrong passwords for this user or from this address. Try again after the time in Retry-After.");
    }

    /// <summary>401 that asks for a user's credentials (RFC 7617).</summary>
    public static ProblemHttpResult WrongCredentials(HttpResponse response, string error)
    {
        response.Headers.WWWAuthenticate = "Basic realm=\"usersvc\", charset=\"UTF-8\"";
        return ProblemCode.CredentialsInvalid.Because(error);
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
            return ProblemCode.CredentialsInvalid.Because("This request needs the administrator's key.");
        }

        return ProblemCode.Forbidden.Because("This service has no administrator's key: set Admin:Key and restart it.");
    }

    /// <summary>
    /// 503: each time we tried, another request changed or deleted the user between our read and our write. That is not the instance's fault:
    /// as overload, proxies do not count it against the instance, nor repeat it on another one.
    /// </summary>
    public static UnavailableException ModifiedConcurrently() => new("The user was modified concurrently; try again.", overloaded: true);
}
