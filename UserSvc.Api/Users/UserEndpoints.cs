using Microsoft.AspNetCore.Http.HttpResults;
using UserSvc.Api.Database;
using UserSvc.Api.Passwords;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Users;

internal static class UserEndpoints
{
    private const int MaxPageSize = 100;

    public static void AddUsers(this IHostApplicationBuilder builder)
    {
        UserName.RequireNormalization();
        builder.Services.AddOptions<AdminOptions>().BindConfiguration("Admin").ValidateDataAnnotations().ValidateOnStart();
        builder.Services.AddSingleton<Administrator>();
        builder.Services.ConfigureHttpJsonOptions(json => UserJson.Configure(json.SerializerOptions));
    }

    public static void MapUsers(this IEndpointRouteBuilder endpoints)
    {
        var users = endpoints.MapGroup("/user").WithTags("Users");
        users.MapMethods("/health", [HttpMethods.Head], GetHealth).ExcludeFromDescription();
        users.MapGet("/health", GetHealth).WithName(nameof(GetHealth)).WithSummary("Names the instance that answers");

        users.MapMethods("/{name}", [HttpMethods.Head], GetUser).ExcludeFromDescription();
        users.MapGet("/{name}", GetUser).WithName(nameof(GetUser)).WithSummary("Reads a user")
            .Produces(StatusCodes.Status304NotModified).ProducesProblems(400, 404, 503);

        users.MapPut("/{name}", UserPut.PutUser).WithName(nameof(UserPut.PutUser)).WithSummary("Creates a user, or replaces one with that user's credentials")
            .ProducesProblems(400, 409, 412, 413, 415, 429, 503);

        users.MapDelete("/{name}", DeleteUser).WithName(nameof(DeleteUser)).WithSummary("Deletes a user, with that user's credentials or the administrator's key")
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
        return context.Request.IfNoneMatchNames(etag)
            ? TypedResults.StatusCode(StatusCodes.Status304NotModified)
            : new UserOk(UserAnswer.From(user, instance));
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
            case Credentials.Bearer bearer when administrator.GetRefusal(bearer) is { } status:
                return Problems.NotAdministrator(context.Response, status);
            case Credentials.Bearer:
                return await store.DeleteAsync(key, cancellationToken) ? TypedResults.NoContent() : Problems.NoSuchUser();
            case Credentials.Basic basic:
                return await passwords.VerifyAsync(basic.Name, basic.Password, cancellationToken) switch
                {
                    { RetryAfter: { } retryAfter } => Problems.TooManyAttempts(context.Response, retryAfter),
                    { User: null } => Problems.WrongCredentials(context.Response, "The credentials are wrong."),
                    { User: var user } when user.Name != key => TypedResults.Problem("The credentials belong to another user.", statusCode: StatusCodes.Status403Forbidden),
                    { User: var user } => await store.DeleteAsync(user, cancellationToken) ? TypedResults.NoContent() : throw Problems.ModifiedConcurrently(),
                };
            default:
                return Problems.WrongCredentials(context.Response, "Deleting a user needs that user's credentials or the administrator's key.");
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

        return await passwords.VerifyAsync(key, request.Password!, cancellationToken) switch
        {
            { RetryAfter: { } retryAfter } => Problems.TooManyAttempts(context.Response, retryAfter),
            { User: { } user } => TypedResults.Ok(UserAnswer.From(user, instance)),
            _ => Problems.WrongCredentials(context.Response, "There is no such user, or the password is wrong."),
        };
    }

    internal static async Task<Results<Ok<UserPage>, ProblemHttpResult>> ListUsers(
        int? limit, string? after, HttpContext context, UserStore store, Administrator administrator, Instance instance, CancellationToken cancellationToken)
    {
        if (administrator.GetRefusal(Credentials.Read(context.Request)) is { } status)
        {
            return Problems.NotAdministrator(context.Response, status);
        }

        if (limit is < 1 or > MaxPageSize)
        {
            return TypedResults.Problem($"limit must be between 1 and {MaxPageSize}.", statusCode: StatusCodes.Status400BadRequest);
        }

        var cursor = string.Empty;
        if (!string.IsNullOrEmpty(after) && !UserName.TryNormalize(after, out cursor))
        {
            return TypedResults.Problem("after must be the value of next from the previous page.", statusCode: StatusCodes.Status400BadRequest);
        }

        // One more than asked for, to learn whether there is a next page.
        var size = limit ?? MaxPageSize;
        var users = await store.ListAsync(cursor, size + 1, cancellationToken);
        var page = users.Take(size).Select(u => new ListedUser(u.UuidText, u.Name, u.Fullname)).ToList();
        return TypedResults.Ok(new UserPage(true, page, users.Count > size ? page[^1].Name : null, instance.Name, instance.Address));
    }

    private static void ProducesProblems(this RouteHandlerBuilder endpoint, params ReadOnlySpan<int> statuses)
    {
        foreach (var status in statuses)
        {
            endpoint.ProducesProblem(status);
        }
    }
}
