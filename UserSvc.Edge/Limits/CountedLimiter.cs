using System.Threading.RateLimiting;

namespace UserSvc.Edge.Limits;

/// <summary>One partition of a <see cref="RequestLimit"/>: counts what the limiter decides, and lets everything pass in shadow mode.</summary>
internal sealed class CountedLimiter(ReplenishingRateLimiter limiter, RequestLimit limit, PartitionKey key) : ReplenishingRateLimiter
{
    public override TimeSpan? IdleDuration => limiter.IdleDuration;

    public override bool IsAutoReplenishing => false;

    public override TimeSpan ReplenishmentPeriod => limiter.ReplenishmentPeriod;

    public override bool TryReplenish() => limiter.TryReplenish();

    public override RateLimiterStatistics? GetStatistics() => limiter.GetStatistics();

    protected override RateLimitLease AttemptAcquireCore(int permitCount)
    {
        // ASP.NET's timer alone, every 100 ms, would never let through more in that time than a small bucket holds.
        TryReplenish();
        var lease = limiter.AttemptAcquire(permitCount);
        if (lease.IsAcquired)
        {
            limit.Within.Increment();
            return lease;
        }

        if (limit.Shadow)
        {
            limit.Over.Increment();
            return Shadow.Instance;
        }

        return lease;
    }

    /// <summary>ASP.NET's middleware asks a second time, with permission to wait, when an attempt has failed. Nothing waits here.</summary>
    protected override ValueTask<RateLimitLease> AcquireAsyncCore(int permitCount, CancellationToken cancellationToken)
    {
        var lease = limiter.AttemptAcquire(permitCount);
        if (lease.IsAcquired)
        {
            limit.Within.Increment();
        }
        else
        {
            limit.Over.Increment();
            limit.Refused.Increment();
        }

        return new(lease);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            limiter.Dispose();
            limit.Forget(key, this);
        }

        base.Dispose(disposing);
    }

    protected override ValueTask DisposeAsyncCore()
    {
        Dispose(disposing: true);
        return base.DisposeAsyncCore();
    }

    private sealed class Shadow : RateLimitLease
    {
        public static readonly Shadow Instance = new();

        public override bool IsAcquired => true;

        public override IEnumerable<string> MetadataNames => [];

        public override bool TryGetMetadata(string metadataName, out object? metadata)
        {
            metadata = null;
            return false;
        }
    }
}
