using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>The tries of one request; a feature of its context.</summary>
internal sealed class Tries(ClusterRecord cluster, ClusterSettings settings, Repeatability request, ReplayableBody? body)
{
    public ClusterRecord Cluster => cluster;

    /// <summary>The try that runs, from 1.</summary>
    public int Number { get; private set; }

    /// <summary>The destinations that this try may go to.</summary>
    public IReadOnlyList<DestinationState> Candidates { get; private set; } = [];

    /// <summary>Why this try is followed by another; null while, or if, it is not.</summary>
    public RetryReason? Retrying { get; private set; }

    /// <summary>Whether another try may follow this one at all.</summary>
    public bool MayContinue => Number < settings.Attempts && Candidates.Count > 1;

    /// <summary>Whether the upstream has had the whole request, so that a time that passed was its own and not the client's.</summary>
    public bool IsSent => body is null or { HasEnded: true };

    /// <summary>How long this try may go without an answer's headers; null is as long as the request may take, as a body does that the client sends.</summary>
    public TimeSpan? Timeout { get; private set; }

    /// <summary>Whether that time has passed.</summary>
    public bool TimedOut { get; set; }

    /// <summary>What this try came to; set when the forwarder is done.</summary>
    public TryOutcome Outcome { get; set; }

    /// <summary>Ends this try when its time has passed; nobody's any more once the headers are there.</summary>
    public CancellationTokenSource? Timer { get; set; }

    public void Begin(IReadOnlyList<DestinationState> candidates)
    {
        Number++;
        Candidates = candidates;
        Retrying = null;
        TimedOut = false;
        Outcome = TryOutcome.Nothing;
        Timeout = request is Repeatability.Safe && body is null && MayContinue ? settings.TryTimeout : null;
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
