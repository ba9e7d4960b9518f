using System.Text.RegularExpressions;

namespace UserSvc.Edge.Limits;

internal enum RateLimitAlgorithm
{
    /// <summary>Requests take tokens from a bucket that fills steadily.</summary>
    TokenBucket,

    /// <summary>The requests of the last <see cref="RateLimitOptions.Window"/> are counted, in tenths of it.</summary>
    SlidingWindow,
}

/// <summary>Section <c>Edge:RateLimits:{name}</c>: a limit for routes that name it as their <c>RateLimiterPolicy</c>.</summary>
internal sealed partial class RateLimitOptions
{
    public const string Section = "Edge:RateLimits";

    /// <summary>Default <see cref="RateLimitAlgorithm.TokenBucket"/>.</summary>
    public RateLimitAlgorithm Algorithm { get; set; }

    /// <summary>Requests in each <see cref="Window"/>. No default; 1 to 1,000,000.</summary>
    public int Permits { get; set; }

    /// <summary>Default 1 s; whole seconds, 1 s to 1 day.</summary>
    public TimeSpan Window { get; set; } = TimeSpan.FromSeconds(1);

    /// <summary>The size of a token bucket: the most requests at once. Default <see cref="Permits"/>; 1 to 1,000,000.</summary>
    public int? Burst { get; set; }

    /// <summary>
    /// What requests are counted by: <c>Address</c>, the client's; <c>Header:{name}</c>, the header's value, or the address where it is
    /// missing; or <c>All</c>, together. Default <c>Address</c>.
    /// </summary>
    public string Partition { get; set; } = "Address";

    /// <summary>Whether requests over the limit are only counted. Default false.</summary>
    public bool Shadow { get; set; }

    /// <summary>The header in <see cref="Partition"/>; null without one.</summary>
    public string? Header => Headers().Match(Partition) is { Success: true } header ? header.Groups[1].Value : null;

    /// <summary>One sentence for each setting that is wrong.</summary>
    public static IEnumerable<string> Errors(IConfigurationSection section) =>
        section.GetChildren().SelectMany(limit => (limit.Get<RateLimitOptions>() ?? new()).Errors(limit.Key).Select(error => $"{limit.Path}{error}"));

    private IEnumerable<string> Errors(string name)
    {
        if (!Names().IsMatch(name) || name.ToUpperInvariant() is "DEFAULT" or "DISABLE")
        {
            yield return " must be named by 1 to 64 letters, digits, - and _, and not default or disable.";
        }

        if (Permits is < 1 or > 1_000_000)
        {
            yield return $":{nameof(Permits)} must be a whole number from 1 to 1000000.";
        }

        if (Window < TimeSpan.FromSeconds(1) || Window > TimeSpan.FromDays(1) || Window.Ticks % TimeSpan.TicksPerSecond != 0)
        {
            yield return $":{nameof(Window)} must be whole seconds, from 1 s to 1 day.";
        }

        if (Burst is < 1 or > 1_000_000 || (Burst is not null && Algorithm is RateLimitAlgorithm.SlidingWindow))
        {
            yield return $":{nameof(Burst)} must be a whole number from 1 to 1000000, and is for {nameof(RateLimitAlgorithm.TokenBucket)} only.";
        }

        if (Partition is not ("Address" or "All") && Header is null)
        {
            yield return $":{nameof(Partition)} must be Address, All, or Header: and a header's name, such as Header:X-Api-Key.";
        }
    }

    // In a structured field, a quote or a backslash would need an escape.
    [GeneratedRegex(@"\A[A-Za-z0-9_-]{1,64}\z")]
    private static partial Regex Names();

    [GeneratedRegex(@"\AHeader:([!#$%&'*+.^_`|~A-Za-z0-9-]+)\z")]
    private static partial Regex Headers();
}
