using Microsoft.AspNetCore.RateLimiting;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Limits;

/// <summary>What one client may take from the others: requests a second, and memory for bodies.</summary>
internal static class LimitsExtensions
{
    public static void AddLimits(this IHostApplicationBuilder builder)
    {
        builder.Services.AddSingleton(new KnownSection(RateLimitOptions.Section, typeof(Dictionary<string, RateLimitOptions>), RateLimitOptions.Errors));
        builder.Services.AddSingleton<RequestLimits>();
        builder.Services.AddRateLimiter(_ => { });
        builder.Services.AddOptions<RateLimiterOptions>().Configure<RequestLimits>((limiter, limits) =>
        {
            foreach (var limit in limits.All)
            {
                limiter.AddPolicy(limit.Name, limit);
            }
        });
        builder.Services.AddCheckedOptions<RequestBufferOptions>(RequestBufferOptions.Section)
            .Validate(o => o.IsValid(), $"{RequestBufferOptions.Section}:MaxBytes must be between 1048576 (1 MiB) and 68719476736 (64 GiB).");
        builder.Services.AddSingleton<RequestBufferBudget>();
    }

    /// <summary>ASP.NET's rate limiter, if a limit is configured: it would wake up ten times a second for none.</summary>
    public static void UseRequestLimits(this IApplicationBuilder proxied)
    {
        if (proxied.ApplicationServices.GetRequiredService<RequestLimits>().All.Count > 0)
        {
            proxied.UseRateLimiter();
        }
    }
}
