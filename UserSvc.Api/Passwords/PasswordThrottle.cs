using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Passwords;

/// <summary>Section <c>PasswordThrottle</c>: how fast passwords may be guessed at one instance.</summary>
internal sealed class PasswordThrottleOptions
{
    /// <summary>Failures in a row before a name is slowed down for one address. Default 5; 1 to 1000.</summary>
    [Range(1, 1000)]
    public int Burst { get; set; } = 5;

    /// <summary>After that, the time between attempts. Default 10 s; 10 ms to 1 day.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "1.00:00:00")]
    public TimeSpan Pause { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// How many addresses together slow a name down for all addresses new to it: the name has so many times the burst, and the pause divided
    /// by it. Default 4: 20 failures, then one per 2.5 s, so that three attackers do not lock a new address out. 1 to 1000.
    /// </summary>
    [Range(1, 1000)]
    public int AddressesPerName { get; set; } = 4;

    /// <summary>
    /// The same for the names that one address tries. Default 10: 50 failures, then one a second, more than a large office behind one address
    /// mistypes. 1 to 1000.
    /// </summary>
    [Range(1, 1000)]
    public int NamesPerAddress { get; set; } = 10;

    /// <summary>Counts remembered, of names, addresses and both; the least recently used is forgotten first. Default 30,000; 100 to 10,000,000.</summary>
    [Range(100, 10_000_000)]
    public int Counts { get; set; } = 30_000;

    /// <summary>Successes remembered, each a name and an address; the least recently used is forgotten first. Default 100,000; 100 to 10,000,000.</summary>
    [Range(100, 10_000_000)]
    public int Successes { get; set; } = 100_000;
}

/// <summary>
/// Counts failures for every kind of request that checks a password, in three token buckets: the name's from this address, the name's, and
/// the address's. An attempt takes its tokens before it begins; otherwise parallel guesses would all be in progress before the first
/// one failed. It returns them unless it fails; success fills the first bucket only, so nobody's success gives others more guesses.
/// </summary>
/// <remarks>
/// An attempt that finds a bucket empty only because others are in progress waits for them, so that many correct ones at once all pass.
/// </remarks>
internal sealed class PasswordThrottle(IOptions<PasswordThrottleOptions> options, IOptions<PasswordHasherOptions> hashing, TimeProvider time)
{
    private readonly PasswordThrottleOptions _options = options.Value;
    private readonly Lock _gate = new();
    private readonly RecentlyUsed<Subject, TokenBucket> _counts = new(options.Value.Counts);

    // Apart from the counts: failures, which anyone can cause, must not push out successes.
    private readonly RecentlyUsed<Subject, bool> _successes = new(options.Value.Successes);

    /// <returns>The attempt, to be ended by <see cref="Attempt.Succeed"/> or <see cref="Attempt.Fail"/> and disposed; or the time to wait.</returns>
    /// <exception cref="UnavailableException">So many are in progress that its turn did not come within <see cref="PasswordHasherOptions.MaxWait"/>.</exception>
    public async Task<(Attempt? Attempt, TimeSpan RetryAfter)> EnterAsync(string name, string address, CancellationToken cancellationToken)
    {
        var entered = time.GetTimestamp();
        while (true)
        {
            TokenBucket blocking;
            Task turn;
            lock (_gate)
            {
                var buckets = Find(name, address);
                var empty = Array.FindAll(buckets, bucket => bucket.IsEmpty);
                if (empty is [])
                {
                    Array.ForEach(buckets, Take);
                    return (new(this, buckets), default);
                }

                if (!Array.TrueForAll(empty, bucket => bucket.CanWait))
                {
                    return (null, empty.Max(bucket => bucket.RetryAfter));
                }

                blocking = empty[0];
                turn = blocking.Wait();
            }

            try
            {
                var left = hashing.Value.MaxWait - time.GetElapsedTime(entered);
                await turn.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, time, cancellationToken);
            }
            catch (Exception failure) when (failure is OperationCanceledException or TimeoutException)
            {
                lock (_gate)
                {
                    blocking.Leave(turn);
                }

                if (failure is TimeoutException)
                {
                    throw new UnavailableException("Too many checks of passwords for this user or from this address are in progress.", overloaded: true);
                }

                throw;
            }
        }
    }

    /// <summary>An address that has created a user knows the password: as good as a right one.</summary>
    public void Created(string name, string address)
    {
        var own = new Subject(name, address);
        lock (_gate)
        {
            _counts.Remove(own);
            _successes.Set(own, true);
        }
    }

    /// <summary>Forgets a deleted user, so that the name starts afresh if it is created again.</summary>
    public void Forget(string name)
    {
        lock (_gate)
        {
            _counts.RemoveWhere(subject => subject.Name == name);
            _successes.RemoveWhere(subject => subject.Name == name);
        }
    }

    // The first is the name's from this address. An address that has succeeded is judged by that one alone: nobody else can empty it.
    private TokenBucket[] Find(string name, string address)
    {
        var own = new Subject(name, address);
        TokenBucket[] buckets = _successes.TryGet(own, out _)
            ? [Find(own, 1)]
            : [Find(own, 1), Find(new(name, null), _options.AddressesPerName), Find(new(null, address), _options.NamesPerAddress)];
        Array.ForEach(buckets, bucket => bucket.Refill());
        return buckets;
    }

    private TokenBucket Find(Subject subject, int times) =>
        _counts.TryGet(subject, out var bucket) ? bucket : new(subject, _options.Burst * times, _options.Pause / times, time);

    // Remembered only now: refused attempts, which cost nothing, must not push out counts.
    private void Take(TokenBucket bucket)
    {
        bucket.Take();
        _counts.Set(bucket.Subject, bucket);
    }

    private void End(TokenBucket[] buckets, int? failures)
    {
        lock (_gate)
        {
            Array.ForEach(buckets, bucket => bucket.End(failures ?? 0));
            if (failures == 0)
            {
                buckets[0].Fill();
                _successes.Set(buckets[0].Subject, true);
            }

            foreach (var full in buckets.Where(bucket => bucket.IsFull && _counts.TryGet(bucket.Subject, out var current) && current == bucket))
            {
                _counts.Remove(full.Subject);
            }
        }
    }

    /// <summary>One attempt at a name's password. Disposed without an outcome, it counts as never made.</summary>
    internal sealed class Attempt(PasswordThrottle throttle, TokenBucket[] buckets) : IDisposable
    {
        private int? _failures;

        public void Succeed() => _failures = 0;

        /// <param name="guesses">How many wrong passwords the attempt carried.</param>
        public void Fail(int guesses = 1) => _failures = guesses;

        public void Dispose() => throttle.End(buckets, _failures);
    }
}
