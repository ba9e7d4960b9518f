using System.Collections.Concurrent;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.RateLimiting;
using UserSvc.Edge.Listeners;
using UserSvc.Edge.Statistics;

namespace UserSvc.Edge.Limits;

/// <summary>
/// What a refused client is told: <c>Retry-After</c> in seconds, and the fields of draft-ietf-httpapi-ratelimit-headers, such as
/// <c>RateLimit-Policy: "login";q=10;w=1</c> and <c>RateLimit: "login";r=0;t=1</c>.
/// </summary>
internal sealed record LimitAnswer(string Detail, string RetryAfter, string Policy, string Remaining)
{
    public Task WriteAsync(HttpContext context, IProblemDetailsService problems)
    {
        var headers = context.Response.Headers;
        headers.RetryAfter = RetryAfter;
        headers["RateLimit-Policy"] = Policy;
        headers["RateLimit"] = Remaining;
        return new Refusal(StatusCodes.Status429TooManyRequests, Detail).WriteAsync(context, problems);
    }
}

/// <summary>
/// A limit of requests, as a policy of ASP.NET's rate limiter, and its counters. The rate limiter forgets a partition that was idle for 10 s;
/// while <paramref name="maxPartitions"/> are in use, further keys share one, so that no client can fill the memory.
/// </summary>
internal sealed class RequestLimit(
    string name, bool shadow, Func<HttpContext, PartitionKey> keyOf, Func<ReplenishingRateLimiter> createLimiter, LimitAnswer answer, IProblemDetailsService problems,
    int maxPartitions = 10_000) : IRateLimiterPolicy<PartitionKey>
{
    private readonly ConcurrentDictionary<PartitionKey, CountedLimiter> _partitions = [];
    private readonly Counter _count = new();

    public string Name => name;

    /// <summary>Whether requests over the limit pass.</summary>
    public bool Shadow => shadow;

    public Counter Within { get; } = new();

    public Counter Over { get; } = new();

    public Counter Refused { get; } = new();

    public Func<OnRejectedContext, CancellationToken, ValueTask> OnRejected => (rejected, _) => new(answer.WriteAsync(rejected.HttpContext, problems));

    public RateLimitPartition<PartitionKey> GetPartition(HttpContext httpContext)
    {
        var key = keyOf(httpContext);
        return key.Of is PartitionKey.Kind.Exempt ? RateLimitPartition.GetNoLimiter(key)
            : RateLimitPartition.Get(_partitions.ContainsKey(key) || _count.Value < maxPartitions ? key : new(PartitionKey.Kind.Shared), Create);
    }

    public void Forget(PartitionKey key, CountedLimiter limiter)
    {
        // The key may have another limiter by now.
        _partitions.TryRemove(new(key, limiter));
        _count.Decrement();
    }

    private CountedLimiter Create(PartitionKey key)
    {
        _count.Increment();
        return _partitions[key] = new(createLimiter(), this, key);
    }
}
