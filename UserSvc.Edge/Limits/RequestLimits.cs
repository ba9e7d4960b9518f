using System.Threading.RateLimiting;
using Microsoft.AspNetCore.RateLimiting;
using Microsoft.Extensions.Options;
using UserSvc.Edge.Listeners;

namespace UserSvc.Edge.Limits;

/// <summary>All limits of requests: those that routes name, and the one of requests in flight, which holds for every route.</summary>
internal sealed class RequestLimits
{
    private readonly TrustedProxies _proxies;
    private readonly IProblemDetailsService _problems;
    private readonly RequestLimit? _inFlight;
    private readonly List<RequestLimit> _named;

    public RequestLimits(IConfiguration configuration, IOptions<InFlightOptions> inFlight, TrustedProxies proxies, IProblemDetailsService problems)
    {
        (_proxies, _problems) = (proxies, problems);
        _inFlight = inFlight.Value.MaxPerClient == 0 ? null : InFlight(inFlight.Value);
        _named = [.. configuration.GetSection(RateLimitOptions.Section).GetChildren().Select(limit => Named(limit.Key, limit.Get<RateLimitOptions>()!))];
    }

    public IEnumerable<RequestLimit> All => _inFlight is null ? _named : _named.Append(_inFlight);

    public void AddTo(RateLimiterOptions limiter)
    {
        if (_inFlight is not null)
        {
            limiter.GlobalLimiter = PartitionedRateLimiter.Create<HttpContext, PartitionKey>(_inFlight.GetPartition);
            limiter.OnRejected = _inFlight.OnRejected;
        }

        foreach (var limit in _named)
        {
            limiter.AddPolicy(limit.Name, limit);
        }
    }

    private PartitionKey ForClient(HttpContext context) => PartitionKey.ForClient(context, _proxies);

    private RequestLimit InFlight(InFlightOptions options) => new(
        "in_flight", options.Shadow, ForClient, () => new ConcurrencyLimiter(new() { PermitLimit = options.MaxPerClient }),
        new("Too many requests of this client are in flight.", "1", $"\"in_flight\";q={options.MaxPerClient};qu=\"concurrent-requests\"", "\"in_flight\";r=0"),
        _problems);

    private RequestLimit Named(string name, RateLimitOptions options)
    {
        Func<HttpContext, PartitionKey> keyOf = options.Header is { } header ? context => PartitionKey.ForHeader(context, header, _proxies)
            : options.Partition == "All" ? _ => new(PartitionKey.Kind.Shared)
            : ForClient;
        // The next token; or the end of the window, as a sliding one does not say when its oldest requests drop out.
        var wait = options.Algorithm is RateLimitAlgorithm.TokenBucket ? options.Window / options.Permits : options.Window;
        var seconds = Math.Max(1, (int)Math.Ceiling(wait.TotalSeconds));
        return new(
            name, options.Shadow, keyOf, () => CreateLimiter(options),
            new($"The rate limit {name} is exceeded.", $"{seconds}", $"\"{name}\";q={options.Permits};w={(int)options.Window.TotalSeconds}", $"\"{name}\";r=0;t={seconds}"),
            _problems);
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
