using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>The tries of one request; a feature of its context.</summary>
internal sealed class Tries(ClusterRecord cluster, ClusterSettings settings, Repeatability request, ReplayableBody? body, TimeSpan? allowed, TimeProvider time)
{
    private readonly long _begun = time.GetTimestamp();
    private TryClock? _clock;

    public ClusterRecord Cluster => cluster;

    /// <summary>The try that runs, from 1.</summary>
    public int Number { get; private set; }

    /// <summary>The destinations that this try may go to.</summary>
    public IReadOnlyList<DestinationState> Candidates { get; private set; } = [];

    /// <summary>Why this try is followed by another; null while, or if, it is not.</summary>
    public RetryReason? Retrying { get; private set; }

    /// <summary>Whether another try may follow this one at all.</summary>
    public bool MayContinue => Number < settings.Attempts && Candidates.Count > 1 && Remaining != TimeSpan.Zero;

    /// <summary>Whether the upstream has had the whole request, so that a time that passed was its own and not the client's.</summary>
    public bool IsSent => body is null or { HasEnded: true };

    /// <summary>
    /// How long this try may go without an answer's headers. Null is as long as the request may take: with the last try, or a body, for which
    /// the client may need its time.
    /// </summary>
    public TimeSpan? Timeout { get; private set; }

    /// <summary>What is left of the route's <c>Timeout</c>, all tries and the answer's body included; null is no limit.</summary>
    public TimeSpan? Remaining => allowed is not { } all ? null
        : time.GetElapsedTime(_begun) is var elapsed && elapsed < all ? all - elapsed
        : TimeSpan.Zero;

    /// <summary>Whether this try was ended because its time, or the request's, had passed.</summary>
    public bool TimedOut { get; private set; }

    /// <summary>What this try came to; set when the forwarder is done.</summary>
    public TryOutcome Outcome { get; set; }

    public void Begin(IReadOnlyList<DestinationState> candidates)
    {
        Number++;
        Candidates = candidates;
        Retrying = null;
        TimedOut = false;
        Outcome = TryOutcome.Nothing;
        Timeout = request is Repeatability.Safe && body is null && MayContinue ? settings.TryTimeout : null;
    }

    /// <param name="clock">Ends this try when its time has passed.</param>
    public void Start(TryClock clock)
    {
        var left = Remaining;
        clock.Set(left is null || Timeout < left ? Timeout ?? left : left);
        _clock = clock;
    }

    /// <summary>The answer's headers are there: what follows may take as long as the request may, on an upgraded connection as long as it likes.</summary>
    public void Answered(bool upgraded)
    {
        if (upgraded)
        {
            _clock?.Set(null);
        }
        else if (Timeout is not null)
        {
            _clock?.Set(Remaining);
        }
    }

    public void Stop()
    {
        TimedOut = _clock!.Stop();
        _clock = null;
    }

    /// <summary>Decides, once a try, whether another follows, and takes it out of the budget.</summary>
    public bool Continue(RetryReason reason)
    {
        if (!MayContinue || !RetryRules.Allow(request, reason) || body is { CanReplay: false })
        {
            return false;
        }

        if (!cluster.Budget.TryTake(settings.BudgetPercent, settings.BudgetPerSecond))
        {
            Interlocked.Increment(ref cluster.RetryOverflows);
            return false;
        }

        cluster.CountRetry(reason);
        Retrying = reason;
        return true;
    }
}
