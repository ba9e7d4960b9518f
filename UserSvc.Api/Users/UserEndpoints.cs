using System.ComponentModel.DataAnnotations;
using Microsoft.AspNetCore.Http.HttpResults;
using UserSvc.Api.Database;
using UserSvc.Api.Passwords;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Users;

internal static class UserEndpoints
{
    public const string Tag = "Users";

    private const int MaxPageSize = 100;

    public static void AddUsers(this IHostApplicationBuilder builder)
    {
        UserName.RequireNormalization();
        builder.Services.AddCheckedOptions<AdminOptions>("Admin");
        builder.Services.AddCheckedOptions<AuditOptions>("Audit");
        builder.Services.AddCheckedOptions<ClientOptions>("Client")
            .Validate(o => o.ParseProxies().All(n => n is not null), "Client:TrustedProxies must be addresses (10.1.2.3) or networks (10.0.0.0/8)");
        builder.Services.AddSingleton<Administrator>();
        builder.Services.AddSingleton<ClientAddress>();
        builder.Services.AddSingleton<Audit>();
        builder.Services.ConfigureHttpJsonOptions(json => UserJson.Configure(json.SerializerOptions));
    }

    public static void MapUsers(this IEndpointRouteBuilder endpoints)
    {
        var users = endpoints.MapGroup("/user").WithTags(Tag);
        users.MapGet("/health", GetHealth).OnlyRead().WithName(nameof(GetHealth)).WithSummary("Names the instance that answers")
            .WithDescription("Needs no database: it says that a request reaches an instance.")
            .WithCredentials(optional: true)
            .Produces(StatusCodes.Status304NotModified).ProducesProblems();

        users.MapGet("/{name}", GetUser).OnlyRead().WithName(nameof(GetUser)).WithSummary("Reads a user")
            .WithDescription("Names and full names are public.")
            .WithCredentials(optional: true)
            .Produces(StatusCodes.Status304NotModified).ProducesProblems(404);

        users.MapPut("/{name}", UserPut.PutUser).WithName(nameof(UserPut.PutUser)).WithSummary("Creates or replaces a user")
            .WithDescription("Safe to repeat: the same content gets the same answer. Replacing other content needs the user's own credentials. The body is at most 64 KiB.")
            .WithCredentials(optional: true, OpenApiContract.Basic)
            .ProducesProblems(408, 409, 413, 415);

        users.MapDelete("/{name}", DeleteUser).WithName(nameof(DeleteUser)).WithSummary("Deletes a user")
            .WithDescription("With that user's credentials or the administrator's key.")
            .WithCredentials(optional: false, OpenApiContract.Basic, OpenApiContract.Bearer)
            .ProducesProblems(401, 403, 404);

        users.MapPost("/{name}/verify", VerifyPassword).WithName(nameof(VerifyPassword)).WithSummary("Checks a user's password")
            .WithDescription("A name that does not exist takes as long and gets the same answer as a wrong password. The body is at most 64 KiB.")
            .WithCredentials(optional: true)
            .ProducesProblems(401, 408, 413, 415);

        users.MapGet("/", ListUsers).OnlyRead().RequireAdministrator().WithName(nameof(ListUsers)).WithSummary("Lists users by name")
            .WithDescription("For the administrator. Ask for the next page with the last page's next as after.")
            .WithCredentials(optional: false, OpenApiContract.Bearer)
            .Produces(StatusCodes.Status304NotModified).ProducesProblems(401, 403);
    }

    internal static Results<Ok<HealthAnswer>, StatusCodeHttpResult, ProblemHttpResult> GetHealth(HttpRequest request, Instance instance) =>
        request.Answer(TypedResults.Ok(new HealthAnswer(true, "user health check OK", instance.Name, instance.Address)));

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
        return context.Request.Answer(new UserOk(UserAnswer.From(user, instance)), etag);
    }

    internal static async Task<Results<NoContent, ProblemHttpResult>> DeleteUser(
        string name, HttpContext context, UserStore store, PasswordCheck passwords, PasswordThrottle throttle, ClientAddress clients, Administrator administrator, Audit audit,
        CancellationToken cancellationToken)
    {
        if (!UserName.TryNormalize(name, out var key))
        {
            return Problems.InvalidName();
        }

        switch (Credentials.Read(context.Request))
        {
            case Credentials.Bearer bearer when administrator.GetRefusal(bearer) is { } status:
                return audit.AdministratorRefused(context, Problems.NotAdministrator(context.Response, status));
            case Credentials.Bearer:
                audit.AdministratorRequest(context);
                return await store.FindWithHashAsync(key, cancellationToken) is var (user, _) ? await DeleteAsync(user, byAdministrator: true) : Problems.NoSuchUser();
            case Credentials.Basic basic:
                return await passwords.VerifyAsync(basic.Name, basic.Password, clients.GetNetwork(context), cancellationToken) switch
                {
                    { User: null, RetryAfter: var retryAfter } =>
                        audit.PasswordRefused(context, basic.Name, Problems.PasswordRefused(context.Response, retryAfter, "The credentials are wrong.")),
                    { User: var owner } when owner.Name != key => ProblemCode.Forbidden.Because("The credentials belong to another user."),
                    { User: var owner } => await DeleteAsync(owner, byAdministrator: false),
                };
            default:
                return Problems.WrongCredentials(context.Response, "Deleting a user needs that user's credentials or the administrator's key.");
        }

        async Task<Results<NoContent, ProblemHttpResult>> DeleteAsync(User user, bool byAdministrator)
        {
            if (context.Request.ConditionFails(exists: true, user.ETag))
            {
                return Problems.PreconditionFailed();
            }

            if (!await store.DeleteAsync(user, cancellationToken))
            {
                throw Problems.ModifiedConcurrently();
            }

            throttle.Forget(user.Name);
            audit.UserDeleted(context, user, byAdministrator);
            return TypedResults.NoContent();
        }
    }

    internal static async Task<Results<Ok<UserAnswer>, ProblemHttpResult>> VerifyPassword(
        string name, PasswordRequest request, HttpContext context, PasswordCheck passwords, ClientAddress clients, Audit audit, Instance instance,
        CancellationToken cancellationToken)
    {
        if (!UserName.TryNormalize(name, out var key))
        {
            return Problems.InvalidName();
        }

        if (request.Validate() is { Count: > 0 } errors)
        {
            return Problems.Invalid(errors);
        }

        return await passwords.VerifyAsync(key, request.Password, clients.GetNetwork(context), cancellationToken) switch
        {
            // Nothing can be read at this URL.
            { User: not null } when context.Request.ConditionFails(exists: false) => Problems.PreconditionFailed(),
            { User: { } user } => TypedResults.Ok(UserAnswer.From(user, instance)),
            { RetryAfter: var retryAfter } =>
                audit.PasswordRefused(context, key, Problems.PasswordRefused(context.Response, retryAfter, "There is no such user, or the password is wrong.")),
        };
    }

    internal static async Task<Results<Ok<UserPage>, StatusCodeHttpResult, ProblemHttpResult>> ListUsers(
        [Range(1, MaxPageSize)] int? limit, string? after, HttpRequest request, UserStore store, Instance instance, CancellationToken cancellationToken)
    {
        if (limit is < 1 or > MaxPageSize)
        {
            return ProblemCode.RequestInvalid.Because($"limit must be between 1 and {MaxPageSize}.");
        }

        var cursor = string.Empty;
        if (!string.IsNullOrEmpty(after) && !UserName.TryNormalize(after, out cursor))
        {
            return ProblemCode.RequestInvalid.Because("after must be the value of next from the previous page.");
        }

        // One more than asked for, to learn whether there is a next page.
        var size = limit ?? MaxPageSize;
        var users = await store.ListAsync(cursor, size + 1, cancellationToken);
        var page = users.Take(size).Select(u => new ListedUser(u.UuidText, u.Name, u.Fullname)).ToList();
        return request.Answer(TypedResults.Ok(new UserPage(true, page, users.Count > size ? page[^1].Name : null, instance.Name, instance.Address)));
    }
}
