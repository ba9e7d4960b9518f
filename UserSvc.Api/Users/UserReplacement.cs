using UserSvc.Api.Passwords;

namespace UserSvc.Api.Users;

/// <summary>What became of a PUT.</summary>
internal abstract record PutOutcome
{
    public sealed record Created(User User) : PutOutcome;

    /// <summary>The user is there with the content asked for: it was before, or it has been replaced.</summary>
    public sealed record Kept(User User) : PutOutcome;

    public sealed record Conflict : PutOutcome;

    public sealed record PreconditionFailed : PutOutcome;

    public sealed record Throttled(TimeSpan RetryAfter) : PutOutcome;
}

/// <summary>
/// PUT, safe to repeat: it creates, finds the same content already there, or replaces by the user's own credentials. Content is
/// compared before credentials, so that a replacement whose answer was lost can be sent again.
/// </summary>
internal sealed class UserReplacement(UserStore store, PasswordHasher hasher, PasswordThrottle throttle)
{
    // Lost races (created or replaced or deleted by others between our read and our write) before the client is told to try again.
    private const int MaxRounds = 3;

    /// <exception cref="ServiceDefaults.UnavailableException">The database is away, the hash lane is full, or too many others write this user.</exception>
    public async Task<PutOutcome> PutAsync(string name, UserContent content, HttpRequest request, CancellationToken cancellationToken)
    {
        var password = Text.PasswordBytes(content.Password!);
        var own = Credentials.Read(request) is Credentials.Basic basic && basic.Name == name ? basic.Password : null;
        string? newHash = null;
        for (var round = 0; round < MaxRounds; round++)
        {
            if (await store.FindWithHashAsync(name, cancellationToken) is not var (user, hash))
            {
                if (request.IfMatchFails(exists: false))
                {
                    return new PutOutcome.PreconditionFailed();
                }

                newHash ??= await hasher.HashAsync(password, cancellationToken);
                if (await store.CreateAsync(name, content.Fullname!, newHash, cancellationToken) is { } created)
                {
                    return new PutOutcome.Created(created);
                }

                continue;
            }

            if (request.NamesVersion(user.ETag) || request.IfMatchFails(exists: true))
            {
                return new PutOutcome.PreconditionFailed();
            }

            var sameFullname = user.Fullname == content.Fullname;
            if (!sameFullname && own is null)
            {
                return new PutOutcome.Conflict();
            }

            var (attempt, retryAfter) = await throttle.EnterAsync(name, cancellationToken);
            if (attempt is null)
            {
                return new PutOutcome.Throttled(retryAfter);
            }

            using (attempt)
            {
                if (sameFullname && await hasher.VerifyAsync(hash, password, cancellationToken))
                {
                    attempt.Succeed();
                    if (await store.ConfirmAsync(user, cancellationToken))
                    {
                        return new PutOutcome.Kept(user);
                    }

                    continue;
                }

                if (own is null || !await hasher.VerifyAsync(hash, own, cancellationToken))
                {
                    attempt.Fail(guesses: sameFullname && own is not null ? 2 : 1);
                    return new PutOutcome.Conflict();
                }

                attempt.Succeed();
            }

            newHash ??= await hasher.HashAsync(password, cancellationToken);
            if (await store.ReplaceAsync(user, content.Fullname!, newHash, cancellationToken) is { } replaced)
            {
                return new PutOutcome.Kept(replaced);
            }
        }

        throw new ServiceDefaults.UnavailableException("This user is being written by others.");
    }
}
