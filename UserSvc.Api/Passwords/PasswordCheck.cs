using UserSvc.Api.Database;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Passwords;

/// <param name="User">The user whose password it is; null when the password is wrong or there is no such user.</param>
/// <param name="RetryAfter">Set when the check was refused because too many have failed.</param>
internal readonly record struct PasswordVerdict(User? User, TimeSpan? RetryAfter);

/// <summary>Checks a name and a password against the store: throttled, with the same work for every name. Rehashes outdated hashes.</summary>
internal sealed class PasswordCheck(UserStore store, HashLane lane, PasswordHasher hasher, PasswordThrottle throttle)
{
    public async Task<PasswordVerdict> VerifyAsync(string name, string password, string address, CancellationToken cancellationToken)
    {
        lane.ThrowIfFull();
        var (attempt, retryAfter) = await throttle.EnterAsync(name, address, cancellationToken);
        if (attempt is null)
        {
            return new(null, retryAfter);
        }

        using (attempt)
        {
            var known = await store.FindWithHashAsync(name, cancellationToken);
            var (isRight, newHash) = await lane.RunAsync(
                () => hasher.Verify(known?.PasswordHash, password) ? (true, hasher.NeedsRehash(known!.Value.PasswordHash) ? hasher.Hash(password) : null) : (false, null),
                cancellationToken);
            if (!isRight)
            {
                attempt.Fail();
                return default;
            }

            attempt.Succeed();
            var (user, hash) = known!.Value;
            if (newHash is not null)
            {
                try
                {
                    await store.RehashAsync(user.Uuid, hash, newHash, cancellationToken);
                }
                catch (UnavailableException)
                {
                    // The password is still right. The next check rehashes it.
                }
            }

            return new(user, null);
        }
    }
}

internal static class PasswordExtensions
{
    /// <summary>Hashing and checking passwords, with the throttle that every check goes through.</summary>
    public static void AddPasswords(this IHostApplicationBuilder builder)
    {
        builder.Services.AddCheckedOptions<PasswordHasherOptions>("Passwords");
        builder.Services.AddCheckedOptions<PasswordThrottleOptions>("PasswordThrottle");
        builder.Services.AddSingleton<PasswordHasher>();
        builder.Services.AddSingleton<HashLane>();
        builder.Services.AddSingleton<PasswordThrottle>();
        builder.Services.AddSingleton<PasswordCheck>();
    }
}
