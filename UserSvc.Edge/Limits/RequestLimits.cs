using System.Threading.RateLimiting;
using UserSvc.Edge.Listeners;

namespace UserSvc.Edge.Limits;

/// <summary>The limits of requests a second that routes name.</summary>
internal sealed class RequestLimits(IConfiguration configuration, TrustedProxies proxies, IProblemDetailsService problems)
{
    public IReadOnlyList<RequestLimit> All { get; } =
        [.. configuration.GetSection(RateLimitOptions.Section).GetChildren().Select(limit => Create(limit.Key, limit.Get<RateLimitOptions>()!, proxies, problems))];

    private static RequestLimit Create(string name, RateLimitOptions options, TrustedProxies proxies, IProblemDetailsService problems)
    {
        Func<HttpContext, PartitionKey> keyOf = options.Header is { } header ? context => PartitionKey.ForHeader(context, header, proxies)
            : options.Partition == "All" ? _ => new(PartitionKey.Kind.Shared)
            : context => PartitionKey.ForClient(context, proxies);
        // The next token; or the end of the window, as a sliding one does not say when its oldest requests drop out.
        var wait = options.Algorithm is RateLimitAlgorithm.TokenBucket ? options.Window / options.Permits : options.Window;
        var seconds = Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds));
        return new(
            name, options.Shadow, keyOf, () => CreateLimiter(options),
            new($"The rate limit {name} is exceeded.", $"{seconds}", $"\"{name}\";q={options.Permits};w={(int)options.Window.TotalSeconds}", $"\"{name}\";r=0;t={seconds}"),
            problems);
    }

    private static ReplenishingRateLimiter CreateLimiter(RateLimitOptions options) => options.Algorithm is RateLimitAlgorithm.TokenBucket
        ? new TokenBucketRateLimiter(new()
        {
            TokenLimit = options.Burst ?? options.Permits,
            TokensPerPeriod = options.Permits,
            ReplenishmentPeriod = options.Window,
            AutoReplenishment = false,
        })
        : new SlidingWindowRateLimiter(new()
        {
            PermitLimit = options.Permits,
            Window = options.Window,
            SegmentsPerWindow = 10,
            AutoReplenishment = false,
        });
}
