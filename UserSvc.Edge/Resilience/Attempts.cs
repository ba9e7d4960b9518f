using UserSvc.Edge.Limits;
using UserSvc.Edge.Statistics;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.Resilience;

/// <summary>Whether another attempt follows, or why none does.</summary>
internal enum RetryDecision
{
    /// <summary>The attempt is under way, or never reached a destination.</summary>
    Pending,

    /// <summary>The outcome is not one to retry, or the answer has begun.</summary>
    Final,

    /// <summary>A second execution of the request could do harm.</summary>
    NotRepeatable,

    NoAttemptsLeft,

    NoOtherDestination,

    /// <summary>The route's <c>Timeout</c> has passed.</summary>
    TimeUp,

    /// <summary>More of the body was read than the edge keeps.</summary>
    BodyGone,

    BudgetSpent,

    Retry,
}

/// <summary>An attempt that has ended.</summary>
internal readonly record struct EndedAttempt(string Destination, AttemptOutcome Outcome, RetryDecision Decision);

/// <summary>The attempts of one request; a feature of its context. One runs at a time.</summary>
internal sealed class Attempts(
    ClusterResilience cluster, ClusterSettings settings, Repeatability request, RequestBody? body, TimeSpan? allowed, TimeProvider time)
{
    private readonly long _begun = time.GetTimestamp();
    private AttemptClock? _clock;
    private List<EndedAttempt>? _earlier;
    private long _started, _answered;

    public ClusterResilience Cluster => cluster;

    public ClusterSettings Settings => settings;

    /// <summary>The current attempt, from 1.</summary>
    public int Number { get; private set; }

    /// <summary>The destinations that this attempt may go to.</summary>
    public IReadOnlyList<DestinationState> Candidates { get; private set; } = [];

    /// <summary>How this attempt ended; <see cref="AttemptOutcome.Nothing"/> until the answer's headers or a failure.</summary>
    public AttemptOutcome Outcome { get; private set; }

    /// <summary>Whether the edge ended this attempt because its time, or the request's, had passed.</summary>
    public bool TimedOut { get; private set; }

    public RetryDecision Decision { get; private set; }

    /// <summary>The attempts before this one.</summary>
    public IReadOnlyList<EndedAttempt> Earlier => _earlier is null ? [] : _earlier;

    /// <summary>The time from the start of this attempt to the answer's headers; null without an answer.</summary>
    public TimeSpan? ServiceTime => _answered == 0 ? null : time.GetElapsedTime(_started, _answered);

    /// <summary>
    /// How long this attempt may wait for the answer's headers. Null means as long as the request may take: the last attempt has no other to
    /// make way for, and a body may take the client that long to send.
    /// </summary>
    private TimeSpan? Timeout { get; set; }

    /// <summary>What is left of the route's <c>Timeout</c>, for all attempts and the answer's body; null means no limit.</summary>
    private TimeSpan? Remaining => allowed is not { } all ? null
        : time.GetElapsedTime(_begun) is var elapsed && elapsed < all ? all - elapsed
        : TimeSpan.Zero;

    /// <summary>What rules out another attempt, however this one ends.</summary>
    private RetryDecision Obstacle =>
        Number >= settings.Attempts ? RetryDecision.NoAttemptsLeft
        : Candidates.Count <= 1 ? RetryDecision.NoOtherDestination
        : Remaining == TimeSpan.Zero ? RetryDecision.TimeUp
        : RetryDecision.Retry;

    public static Attempts Create(HttpContext context, ClusterResilience cluster, ClusterSettings settings, TimeProvider time) => new(
        cluster, settings, RetryRules.GetRepeatability(context.Request), context.Features.Get<RequestBody>(), context.GetReverseProxyFeature().Route.Config.Timeout, time);

    /// <param name="candidates">The destinations that the attempt may go to.</param>
    /// <param name="failed">The destination of the attempt before; null for the first.</param>
    public void Begin(IReadOnlyList<DestinationState> candidates, DestinationState? failed = null)
    {
        if (failed is not null)
        {
            (_earlier ??= []).Add(new(failed.DestinationId, Outcome, Decision));
        }

        Number++;
        _answered = 0;
        Candidates = candidates;
        Outcome = AttemptOutcome.Nothing;
        Decision = RetryDecision.Pending;
        TimedOut = false;
        Timeout = request is Repeatability.Safe && body is null or { HasEnded: true } && Obstacle is RetryDecision.Retry ? settings.AttemptTimeout : null;
        if (Number > 1)
        {
            body?.Rewind();
        }
    }

    /// <param name="clock">Ends this attempt when its time has passed.</param>
    /// <param name="now">The timestamp.</param>
    public void Start(AttemptClock clock, long now)
    {
        _started = now;
        var left = Remaining;
        clock.Set(left is null || Timeout < left ? Timeout ?? left : left);
        _clock = clock;
    }

    /// <summary>
    /// The answer's headers have arrived. From here on, the attempt may take as long as the request may; an upgraded connection has no limit.
    /// </summary>
    /// <returns>Whether another attempt follows, so that this answer must not reach the client.</returns>
    public bool Answer(AttemptOutcome outcome, bool upgraded)
    {
        if (upgraded)
        {
            _clock?.Set(null);
        }
        else if (Timeout is not null)
        {
            _clock?.Set(Remaining);
        }

        _answered = time.GetTimestamp();
        Outcome = outcome;
        Decision = Decide();
        return Decision is RetryDecision.Retry;
    }

    /// <summary>The forwarder is done with this attempt and its clock.</summary>
    public void Stop()
    {
        TimedOut = _clock!.Stop();
        _clock = null;
    }

    /// <summary>The forwarder has failed, before or after the answer's headers.</summary>
    public void Fail(IForwarderErrorFeature failure, bool answerBegun)
    {
        Outcome = RetryRules.Classify(failure, sent: body is null or { HasEnded: true }, TimedOut && !answerBegun);
        Decision = answerBegun ? RetryDecision.Final : Decide();
    }

    // Call it once per attempt: it charges the retry to the budget.
    private RetryDecision Decide()
    {
        var decision = !RetryRules.Allow(Repeatability.Safe, Outcome) ? RetryDecision.Final
            : !RetryRules.Allow(request, Outcome) ? RetryDecision.NotRepeatable
            : Obstacle is not RetryDecision.Retry and var obstacle ? obstacle
            : body is { CanReplay: false } ? RetryDecision.BodyGone
            : !cluster.Budget.TryTake(settings.BudgetPercent, settings.BudgetPerSecond) ? RetryDecision.BudgetSpent
            : RetryDecision.Retry;
        if (decision is RetryDecision.Retry)
        {
            cluster.Statistics.RetriesAfter(Outcome).Increment();
        }
        else if (decision is RetryDecision.BudgetSpent)
        {
            cluster.Statistics.RetryOverflows.Increment();
        }

        return decision;
    }
}
