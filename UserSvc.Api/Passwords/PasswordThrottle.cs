using System.ComponentModel.DataAnnotations;
using Microsoft.Extensions.Options;

namespace UserSvc.Api.Passwords;

/// <summary>Section <c>PasswordThrottle</c>: how fast one name's password may be guessed at one instance.</summary>
internal sealed class PasswordThrottleOptions
{
    /// <summary>Failures in a row before a name is slowed down. Default 5; 1 to 1000.</summary>
    [Range(1, 1000)]
    public int Burst { get; set; } = 5;

    /// <summary>After that, the time from one try to the next. Default 10 s; 10 ms to 1 day.</summary>
    [Range(typeof(TimeSpan), "00:00:00.010", "1.00:00:00")]
    public TimeSpan Pause { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Names remembered, the least recently tried forgotten first. Default 10,000; 100 to 10,000,000.</summary>
    [Range(100, 10_000_000)]
    public int Names { get; set; } = 10_000;
}

/// <summary>
/// One token bucket per name for every way to try a password. A try takes a token before it begins, or parallel guesses would all
/// be under way before the first one failed; it gets the token back unless it fails, and success fills the bucket.
/// </summary>
/// <remarks>Tries that find the bucket empty only because of others under way wait for those, so that many right ones at once all pass.</remarks>
internal sealed class PasswordThrottle(IOptions<PasswordThrottleOptions> options, TimeProvider time)
{
    private const int MaxWaiting = 64;

    private readonly PasswordThrottleOptions _options = options.Value;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedListNode<Bucket>> _buckets = new(StringComparer.Ordinal);
    private readonly LinkedList<Bucket> _byUse = [];

    /// <returns>The try, to be ended by <see cref="Try.Succeed"/> or <see cref="Try.Fail"/> and disposed; or the time to wait.</returns>
    public async Task<(Try? Try, TimeSpan RetryAfter)> EnterAsync(string name, CancellationToken cancellationToken)
    {
        while (true)
        {
            Task turn;
            lock (_gate)
            {
                var bucket = Use(name);
                Refill(bucket);
                if (bucket.Tokens >= 1)
                {
                    bucket.Tokens--;
                    bucket.UnderWay++;
                    return (new(this, bucket), default);
                }

                if (bucket.UnderWay == 0 || bucket.Waiting >= MaxWaiting)
                {
                    return (null, (1 - bucket.Tokens) * _options.Pause);
                }

                bucket.Waiting++;
                turn = bucket.Ended.Task;
            }

            try
            {
                await turn.WaitAsync(cancellationToken);
            }
            catch (OperationCanceledException)
            {
                Leave(name, turn);
                throw;
            }
        }
    }

    private void Leave(string name, Task turn)
    {
        lock (_gate)
        {
            // Unless the turn has come meanwhile, which let all go.
            if (_buckets.TryGetValue(name, out var node) && node.Value.Ended.Task == turn)
            {
                node.Value.Waiting--;
            }
        }
    }

    private Bucket Use(string name)
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
        // Tokens of tries under way are out, not gone: they count against the most there may be.
        bucket.Tokens = Math.Min(_options.Burst - bucket.UnderWay, bucket.Tokens + (time.GetElapsedTime(bucket.RefilledAt, now) / _options.Pause));
        bucket.RefilledAt = now;
    }

    private void End(Bucket bucket, int? failures)
    {
        lock (_gate)
        {
            Refill(bucket);
            bucket.UnderWay--;
            bucket.Waiting = 0;
            bucket.Tokens = failures switch
            {
                null => bucket.Tokens + 1,
                0 => _options.Burst - bucket.UnderWay,
                _ => bucket.Tokens + 1 - failures.Value,
            };
            var ended = bucket.Ended;
            bucket.Ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
            ended.SetResult();
            // A full bucket has no try under way and is as good as a new one.
            if (bucket.Tokens >= _options.Burst && _buckets.TryGetValue(bucket.Name, out var node) && node.Value == bucket)
            {
                Forget(node);
            }
        }
    }

    internal sealed class Bucket(string name)
    {
        public string Name { get; } = name;

        /// <summary>Tries that may begin now; the fraction is the way to the next one.</summary>
        public double Tokens { get; set; }

        public long RefilledAt { get; set; }

        public int UnderWay { get; set; }

        public int Waiting { get; set; }

        /// <summary>Done, and replaced, when the next try ends.</summary>
        public TaskCompletionSource Ended { get; set; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    /// <summary>One try at a name's password. Disposed without an outcome, it counts as never made.</summary>
    internal sealed class Try(PasswordThrottle throttle, Bucket bucket) : IDisposable
    {
        private int? _failures;

        public void Succeed() => _failures = 0;

        /// <param name="guesses">The wrong passwords that this try held.</param>
        public void Fail(int guesses = 1) => _failures = guesses;

        public void Dispose() => throttle.End(bucket, _failures);
    }
}
