using Microsoft.AspNetCore.Http.HttpResults;
using UserSvc.Api.Database;
using UserSvc.Api.Passwords;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Users;

/// <summary>
/// PUT, safe to repeat: it creates the user, finds the same content already there, or replaces it when the request carries that user's
/// credentials. Content is compared before credentials, so that a client that lost the answer to a replacement can send it again.
/// </summary>
internal static class UserPut
{
    // How often another request may create, replace or delete the user between our read and our write before the client has to retry.
    private const int MaxRounds = 2;

    internal static async Task<Results<Ok<UserAnswer>, Created<UserAnswer>, ProblemHttpResult>> PutUser(
        string name, UserContent content, HttpContext context, UserStore store, HashLane lane, PasswordHasher hasher, PasswordThrottle throttle, ClientAddress clients,
        Audit audit, Instance instance, CancellationToken cancellationToken)
    {
        if (!UserName.TryNormalize(name, out var key))
        {
            return Problems.InvalidName();
        }

        if (content.Validate() is { Count: > 0 } errors)
        {
            return Problems.Invalid(errors);
        }

        lane.ThrowIfFull();
        var (request, response) = (context.Request, context.Response);
        var (fullname, password) = (content.Fullname, content.Password);
        var ownPassword = Credentials.Read(request) is Credentials.Basic basic && basic.Name == key ? basic.Password : null;
        string? newHash = null;
        for (var round = 0; round < MaxRounds; round++)
        {
            if (await store.FindWithHashAsync(key, cancellationToken) is not var (user, hash))
            {
                if (!UserName.IsDistinct(key))
                {
                    return Problems.IndistinctName();
                }

                if (request.ConditionFails(exists: false))
                {
                    return Problems.PreconditionFailed();
                }

                newHash ??= await lane.RunAsync(() => hasher.Hash(password), cancellationToken);
                if (await store.CreateAsync(key, fullname, newHash, cancellationToken) is { } created)
                {
                    throttle.Created(key, clients.GetNetwork(context));
                    response.Headers.ETag = created.ETag;
                    return TypedResults.Created($"/user/{Uri.EscapeDataString(key)}", UserAnswer.From(created, instance));
                }

                continue;
            }

            if (request.ConditionFails(exists: true, user.ETag))
            {
                return Problems.PreconditionFailed();
            }

            var sameFullname = user.Fullname == fullname;
            if (!sameFullname && ownPassword is null)
            {
                return Problems.Conflict();
            }

            var (attempt, retryAfter) = await throttle.EnterAsync(key, clients.GetNetwork(context), cancellationToken);
            if (attempt is null)
            {
                return audit.PasswordRefused(context, key, Problems.TooManyAttempts(response, retryAfter));
            }

            using (attempt)
            {
                (var isSame, newHash) = await lane.RunAsync(() =>
                    sameFullname && hasher.Verify(hash, password) ? (true, newHash)
                    : ownPassword is not null && hasher.Verify(hash, ownPassword) ? (false, newHash ?? hasher.Hash(password))
                    : (false, null), cancellationToken);
                if (isSame)
                {
                    attempt.Succeed();
                    if (await store.ConfirmAsync(user, cancellationToken))
                    {
                        return Stored(user);
                    }

                    continue;
                }

                if (newHash is null)
                {
                    attempt.Fail(guesses: sameFullname && ownPassword is not null ? 2 : 1);
                    return audit.PasswordRefused(context, key, Problems.Conflict());
                }

                attempt.Succeed();
            }

            if (await store.ReplaceAsync(user, fullname, newHash, cancellationToken) is { } replaced)
            {
                audit.UserReplaced(context, replaced);
                return Stored(replaced);
            }
        }

        throw Problems.ModifiedConcurrently();

        Ok<UserAnswer> Stored(User user)
        {
            response.Headers.ETag = user.ETag;
            return TypedResults.Ok(UserAnswer.From(user, instance));
        }
    }
}
