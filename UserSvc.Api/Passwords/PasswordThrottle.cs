using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Passwords;

/// <summary>Section <c>PasswordThrottle</c>: how fast one user's password may be guessed at one instance.</summary>
internal sealed class PasswordThrottleOptions
{
    /// <summary>Failures in a row before a name is slowed down. Default 5; 1 to 1000.</summary>
    [Range(1, 1000)]
    public int Burst { get; set; } = 5;

    /// <summary>After that, the time between attempts. Default 10 s; 10 ms to 1 day.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "1.00:00:00")]
    public TimeSpan Pause { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Names remembered; the least recently used is forgotten first. Default 10,000; 100 to 10,000,000.</summary>
    [Range(100, 10_000_000)]
    public int Names { get; set; } = 10_000;
}

/// <summary>
/// One token bucket per name, for every kind of request that checks a password. An attempt takes its token before it begins; otherwise
/// parallel guesses would all be in progress before the first one failed. It returns the token unless it fails; success fills the bucket.
/// </summary>
/// <remarks>
/// An attempt that finds the bucket empty only because others are in progress waits for them, so that many correct ones at once all pass.
/// </remarks>
internal sealed class PasswordThrottle(IOptions<PasswordThrottleOptions> options, IOptions<PasswordHasherOptions> hashing, TimeProvider time)
{
    private const int MaxWaiting = 64;

    private readonly PasswordThrottleOptions _options = options.Value;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedListNode<Bucket>> _buckets = new(StringComparer.Ordinal);
    private readonly LinkedList<Bucket> _byUse = [];

    /// <returns>The attempt, to be ended by <see cref="Attempt.Succeed"/> or <see cref="Attempt.Fail"/> and disposed; or the time to wait.</returns>
    /// <exception cref="UnavailableException">So many are in progress that its turn did not come within <see cref="PasswordHasherOptions.MaxWait"/>.</exception>
    public async Task<(Attempt? Attempt, TimeSpan RetryAfter)> EnterAsync(string name, CancellationToken cancellationToken)
    {
        var entered = time.GetTimestamp();
        while (true)
        {
            Task turn;
            lock (_gate)
            {
                var bucket = GetOrAdd(name);
                Refill(bucket);
                if (bucket.Tokens >= 1)
                {
                    bucket.Tokens--;
                    bucket.InProgress++;
                    return (new(this, bucket), default);
                }

                if (bucket.InProgress == 0 || bucket.Waiting >= MaxWaiting)
                {
                    return (null, (1 - bucket.Tokens) * _options.Pause);
                }

                bucket.Waiting++;
                turn = bucket.Ended.Task;
            }

            try
            {
                var left = hashing.Value.MaxWait - time.GetElapsedTime(entered);
                await turn.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, time, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                Leave(name, turn);
                throw;
            }
            catch (TimeoutException)
            {
                Leave(name, turn);
                throw new UnavailableException("Too many requests check this user's password at the same time.", overloaded: true);
            }
        }
    }

    private void Leave(string name, Task turn)
    {
        lock (_gate)
        {
            // If the turn has come in the meantime, End has already released everybody.
            if (_buckets.TryGetValue(name, out var node) && node.Value.Ended.Task == turn)
            {
                node.Value.Waiting--;
            }
        }
    }

    private Bucket GetOrAdd(string name)
    {
        if (_buckets.TryGetValue(name, out var node))
        {
            _byUse.Remove(node);
        }
        else
        {
            if (_buckets.Count >= _options.Names)
            {
                Forget(_byUse.First!);
            }

            node = new(new(name) { Tokens = _options.Burst, RefilledAt = time.GetTimestamp() });
            _buckets[name] = node;
        }

        _byUse.AddLast(node);
        return node.Value;
    }

    private void Forget(LinkedListNode<Bucket> node)
    {
        _byUse.Remove(node);
        _buckets.Remove(node.Value.Name);
    }

    private void Refill(Bucket bucket)
    {
        var now = time.GetTimestamp();
        // Attempts in progress still hold their tokens, which count against the bucket's size.
        bucket.Tokens = Math.Min(_options.Burst - bucket.InProgress, bucket.Tokens + (time.GetElapsedTime(bucket.RefilledAt, now) / _options.Pause));
        bucket.RefilledAt = now;
    }

    private void End(Bucket bucket, int? failures)
    {
        lock (_gate)
        {
            Refill(bucket);
            bucket.InProgress--;
            bucket.Waiting = 0;
            bucket.Tokens = failures switch
            {
                null => bucket.Tokens + 1,
                0 => _options.Burst - bucket.InProgress,
                _ => bucket.Tokens + 1 - failures.Value,
            };
            var ended = bucket.Ended;
            bucket.Ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
            ended.SetResult();
            // A full bucket has no attempt in progress and is as good as a new one.
            if (bucket.Tokens >= _options.Burst && _buckets.TryGetValue(bucket.Name, out var node) && node.Value == bucket)
            {
                Forget(node);
            }
        }
    }

    internal sealed class Bucket(string name)
    {
        public string Name { get; } = name;

        /// <summary>Attempts that may begin now; the fraction is the progress towards the next one.</summary>
        public double Tokens { get; set; }

        public long RefilledAt { get; set; }

        public int InProgress { get; set; }

        public int Waiting { get; set; }

        /// <summary>Completed, and replaced, when the next attempt ends.</summary>
        public TaskCompletionSource Ended { get; set; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>One attempt at a name's password. Disposed without an outcome, it counts as never made.</summary>
    internal sealed class Attempt(PasswordThrottle throttle, Bucket bucket) : IDisposable
    {
        private int? _failures;

        public void Succeed() => _failures = 0;

        /// <param name="guesses">How many wrong passwords the attempt carried.</param>
        public void Fail(int guesses = 1) => _failures = guesses;

        public void Dispose() => throttle.End(bucket, _failures);
    }
}
