namespace UserSvc.Api.Passwords;

/// <summary>What failures are counted for: a name from one address, a name from all addresses, or an address for all names.</summary>
internal readonly record struct Subject(string? Name, string? Address);

/// <summary>Lets <paramref name="burst"/> attempts fail, then one per <paramref name="pause"/>. Not thread-safe.</summary>
internal sealed class TokenBucket(Subject subject, int burst, TimeSpan pause, TimeProvider time)
{
    private const int MaxWaiting = 64;

    // Attempts that may begin now; the fraction is the progress towards the next one.
    private double _tokens = burst;
    private long _refilledAt = time.GetTimestamp();
    private int _inProgress;
    private int _waiting;
    private TaskCompletionSource? _ended;

    public Subject Subject => subject;

    /// <summary>A full bucket has no attempt in progress and is as good as a new one.</summary>
    public bool IsFull => _tokens >= burst;

    public bool IsEmpty => _tokens < 1;

    /// <summary>The time until an empty bucket has a token.</summary>
    public TimeSpan RetryAfter => (1 - _tokens) * pause;

    /// <summary>Whether an attempt in progress may still return its token.</summary>
    public bool CanWait => _inProgress > 0 && _waiting < MaxWaiting;

    public void Refill()
    {
        var now = time.GetTimestamp();
        // Attempts in progress still hold their tokens, which count against the bucket's size.
        _tokens = Math.Min(burst - _inProgress, _tokens + (time.GetElapsedTime(_refilledAt, now) / pause));
        _refilledAt = now;
    }

    public void Take()
    {
        _tokens--;
        _inProgress++;
    }

    /// <summary>Ends an attempt, which returns its token and pays one for each failure.</summary>
    public void End(int failures)
    {
        Refill();
        _inProgress--;
        _tokens += 1 - failures;
        _waiting = 0;
        _ended?.SetResult();
        _ended = null;
    }

    public void Fill() => _tokens = burst - _inProgress;

    /// <returns>Completes when the next attempt ends.</returns>
    public Task Wait()
    {
        _waiting++;
        _ended ??= new(TaskCreationOptions.RunContinuationsAsynchronously);
        return _ended.Task;
    }

    public void Leave(Task turn)
    {
        // If the turn has come in the meantime, End has already released everybody.
        if (_ended?.Task == turn)
        {
            _waiting--;
        }
    }
}
