using Microsoft.AspNetCore.Http.HttpResults;
using UserSvc.Api.Passwords;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Users;

internal static class UserEndpoints
{
    private const int LongestPage = 100;

    public static void AddUsers(this IHostApplicationBuilder builder)
    {
        UserName.RequireNormalization();
        builder.Services.AddOptions<UserLookupOptions>().BindConfiguration("Lookup").ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<UserLookup>();
        builder.Services.AddSingleton<UserStore>();
        builder.Services.AddSingleton<UserReplacement>();
        builder.Services.ConfigureHttpJsonOptions(json => UserJson.Configure(json.SerializerOptions));
    }

    public static void MapUsers(this IEndpointRouteBuilder endpoints)
    {
        var users = endpoints.MapGroup("/user").WithTags("Users");
        users.MapMethods("/health", [HttpMethods.Head], GetHealth).ExcludeFromDescription();
        users.MapGet("/health", GetHealth).WithName(nameof(GetHealth)).WithSummary("Says which instance answers");

        users.MapMethods("/{name}", [HttpMethods.Head], GetUser).ExcludeFromDescription();
        users.MapGet("/{name}", GetUser).WithName(nameof(GetUser)).WithSummary("Reads a user")
            .Produces(StatusCodes.Status304NotModified).ProducesProblems(400, 404, 503);

        users.MapPut("/{name}", PutUser).WithName(nameof(PutUser)).WithSummary("Creates a user, or replaces one by its own credentials")
            .ProducesProblems(400, 409, 412, 413, 415, 429, 503);

        users.MapDelete("/{name}", DeleteUser).WithName(nameof(DeleteUser)).WithSummary("Deletes a user, by its own credentials or the administrator's key")
            .ProducesProblems(400, 401, 403, 404, 412, 429, 503);

        users.MapPost("/{name}/verify", VerifyPassword).WithName(nameof(VerifyPassword)).WithSummary("Checks a user's password")
            .ProducesProblems(400, 401, 413, 415, 429, 503);

        users.MapGet("/", ListUsers).WithName(nameof(ListUsers)).WithSummary("Lists users by name, for the administrator")
            .ProducesProblems(400, 401, 403, 503);
    }

    internal static Ok<HealthAnswer> GetHealth(Instance instance) =>
        TypedResults.Ok(new HealthAnswer(true, "user health check OK", instance.Name, instance.Address));

    internal static async Task<Results<UserOk, StatusCodeHttpResult, ProblemHttpResult>> GetUser(
        string name, HttpContext context, UserLookup lookup, Instance instance, CancellationToken cancellationToken)
    {
        if (!UserName.TryNormalize(name, out var key))
        {
            return Problems.InvalidName();
        }

        if (await lookup.FindAsync(key, cancellationToken) is not { } user)
        {
            return Problems.NoSuchUser();
        }

        var etag = user.ETag;
        context.Response.Headers.ETag = etag;
        return context.Request.NamesVersion(etag)
            ? TypedResults.StatusCode(StatusCodes.Status304NotModified)
            : new UserOk(user.Answer(instance));
    }

    internal static async Task<Results<Ok<UserAnswer>, Created<UserAnswer>, ValidationProblem, ProblemHttpResult>> PutUser(
        string name, UserContent content, HttpContext context, UserReplacement replacement, Instance instance, CancellationToken cancellationToken)
    {
        if (!UserName.TryNormalize(name, out var key))
        {
            return Problems.InvalidName();
        }

        if (content.Validate() is { Count: > 0 } errors)
        {
            return Problems.Invalid(errors);
        }

        var outcome = await replacement.PutAsync(key, content, context.Request, cancellationToken);
        switch (outcome)
        {
            case PutOutcome.Created { User: var user }:
                context.Response.Headers.ETag = user.ETag;
                return TypedResults.Created($"/user/{Uri.EscapeDataString(key)}", user.Answer(instance));
            case PutOutcome.Kept { User: var user }:
                context.Response.Headers.ETag = user.ETag;
                return TypedResults.Ok(user.Answer(instance));
            case PutOutcome.Throttled { RetryAfter: var retryAfter }:
                return Problems.TooManyTries(context.Response, retryAfter);
            case PutOutcome.PreconditionFailed:
                return Problems.PreconditionFailed();
            default:
                return Problems.Exists();
        }
    }

    internal static async Task<Results<NoContent, ProblemHttpResult>> DeleteUser(
        string name, HttpContext context, UserStore store, PasswordCheck passwords, Administrator administrator, CancellationToken cancellationToken)
    {
        if (!UserName.TryNormalize(name, out var key))
        {
            return Problems.InvalidName();
        }

        if (context.Request.IfMatchFails(exists: true))
        {
            return Problems.PreconditionFailed();
        }

        switch (Credentials.Read(context.Request))
        {
            case Credentials.Bearer bearer when administrator.Refuse(bearer) is { } status:
                return Problems.NotAdministrator(context.Response, status);
            case Credentials.Bearer:
                return await store.DeleteAsync(key, cancellationToken) ? TypedResults.NoContent() : Problems.NoSuchUser();
            case Credentials.Basic basic:
                var verdict = await passwords.VerifyAsync(basic.Name, basic.Password, cancellationToken);
                switch (verdict)
                {
                    case { RetryAfter: { } retryAfter }:
                        return Problems.TooManyTries(context.Response, retryAfter);
                    case { User: null }:
                        return Problems.WrongCredentials(context.Response, "The credentials are wrong.");
                    case { User: var user } when user.Name != key:
                        return TypedResults.Problem("These are another user's credentials.", statusCode: StatusCodes.Status403Forbidden);
                    case { User: var user }:
                        return await store.DeleteAsync(user, cancellationToken) ? TypedResults.NoContent() : throw new UnavailableException("This user is being written by others.");
                }

            default:
                return Problems.WrongCredentials(context.Response, "Deleting a user needs its own credentials or the administrator's key.");
        }
    }

    internal static async Task<Results<Ok<UserAnswer>, ValidationProblem, ProblemHttpResult>> VerifyPassword(
        string name, PasswordRequest request, HttpContext context, PasswordCheck passwords, Instance instance, CancellationToken cancellationToken)
    {
        if (!UserName.TryNormalize(name, out var key))
        {
            return Problems.InvalidName();
        }

        if (request.Validate() is { Count: > 0 } errors)
        {
            return Problems.Invalid(errors);
        }

        return await passwords.VerifyAsync(key, Text.PasswordBytes(request.Password!), cancellationToken) switch
        {
            { RetryAfter: { } retryAfter } => Problems.TooManyTries(context.Response, retryAfter),
            { User: { } user } => TypedResults.Ok(user.Answer(instance)),
            _ => Problems.WrongCredentials(context.Response, "There is no such user, or the password is wrong."),
        };
    }

    internal static async Task<Results<Ok<UserPage>, ProblemHttpResult>> ListUsers(
        int? limit, string? after, HttpContext context, UserStore store, Administrator administrator, Instance instance, CancellationToken cancellationToken)
    {
        if (administrator.Refuse(Credentials.Read(context.Request)) is { } status)
        {
            return Problems.NotAdministrator(context.Response, status);
        }

        if (limit is < 1 or > LongestPage)
        {
            return TypedResults.Problem($"limit must be 1 to {LongestPage}.", statusCode: StatusCodes.Status400BadRequest);
        }

        var cursor = string.Empty;
        if (!string.IsNullOrEmpty(after) && !UserName.TryNormalize(after, out cursor))
        {
            return TypedResults.Problem("after must be the name that the page before gave as next.", statusCode: StatusCodes.Status400BadRequest);
        }

        // One more than asked for tells whether there is a next page.
        var size = limit ?? LongestPage;
        var users = await store.ListAsync(cursor, size + 1, cancellationToken);
        var page = users.Take(size).Select(u => new ListedUser(u.UuidText, u.Name, u.Fullname)).ToList();
        return TypedResults.Ok(new UserPage(true, page, users.Count > size ? page[^1].Name : null, instance.Name, instance.Address));
    }

    private static UserAnswer Answer(this User user, Instance instance) => new(true, user.UuidText, user.Fullname, instance.Name, instance.Address);

    private static void ProducesProblems(this RouteHandlerBuilder endpoint, params ReadOnlySpan<int> statuses)
    {
        foreach (var status in statuses)
        {
            endpoint.ProducesProblem(status);
        }
    }
}
