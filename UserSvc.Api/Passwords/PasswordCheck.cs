using UserSvc.Api.Users;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Passwords;

/// <summary>What a password check found.</summary>
/// <param name="User">The user whose password it is; null when it is wrong or there is no such user.</param>
/// <param name="RetryAfter">Set when the check was refused, because the name has been tried too often.</param>
internal readonly record struct PasswordVerdict(User? User, TimeSpan? RetryAfter);

/// <summary>A name and a password against the store: throttled, the same work for every name, and the hash brought up to date.</summary>
internal sealed class PasswordCheck(UserStore store, PasswordHasher hasher, PasswordThrottle throttle)
{
    public async Task<PasswordVerdict> VerifyAsync(string name, byte[] password, CancellationToken cancellationToken)
    {
        var (attempt, retryAfter) = await throttle.EnterAsync(name, cancellationToken);
        if (attempt is null)
        {
            return new(null, retryAfter);
        }

        using (attempt)
        {
            var known = await store.FindWithHashAsync(name, cancellationToken);
            if (!await hasher.VerifyAsync(known?.PasswordHash, password, cancellationToken))
            {
                attempt.Fail();
                return default;
            }

            attempt.Succeed();
            var (user, hash) = known!.Value;
            if (hasher.NeedsRehash(hash))
            {
                try
                {
                    await store.RehashAsync(user.Uuid, hash, await hasher.HashAsync(password, cancellationToken), cancellationToken);
                }
                catch (UnavailableException)
                {
                    // The password is right all the same; the next check renews its hash.
                }
            }

            return new(user, null);
        }
    }
}
