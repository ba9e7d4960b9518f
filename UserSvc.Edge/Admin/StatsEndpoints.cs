using System.Text.RegularExpressions;
using UserSvc.Edge.Listeners;

namespace UserSvc.Edge.Admin;

/// <summary><c>/stats</c> and <c>/stats/prometheus</c>, with Envoy's <c>filter</c>, <c>usedonly</c> and <c>format</c>.</summary>
internal static class StatsEndpoints
{
    private const int MaxFilter = 256;

    internal static async Task<IResult> Get(HttpRequest request, EdgeStats stats, CancellationToken cancellationToken) => request.Query["format"].ToString() switch
    {
        "" or "text" => await WriteAsync(request, stats, s => TypedResults.Text(StatsText.Write(s)), cancellationToken),
        "json" => await WriteAsync(request, stats, s => TypedResults.Bytes(StatsText.WriteJson(s), "application/json"), cancellationToken),
        "prometheus" => await GetPrometheus(request, stats, cancellationToken),
        var other => Formats.Unknown(other, "text, json or prometheus"),
    };

    internal static Task<IResult> GetPrometheus(HttpRequest request, EdgeStats stats, CancellationToken cancellationToken) =>
        WriteAsync(request, stats, s => TypedResults.Text(PrometheusText.Write(s), PrometheusText.ContentType), cancellationToken);

    private static async Task<IResult> WriteAsync(HttpRequest request, EdgeStats stats, Func<IEnumerable<Stat>, IResult> write, CancellationToken cancellationToken)
    {
        var wanted = await stats.CollectAsync(cancellationToken);
        try
        {
            if (request.Query["filter"].ToString() is { Length: > 0 } filter)
            {
                if (request.HttpContext.GetListener() is not Listener.Admin)
                {
                    return TypedResults.Problem("Only the admin listener supports a filter.", statusCode: StatusCodes.Status400BadRequest);
                }

                if (filter.Length > MaxFilter)
                {
                    return TypedResults.Problem($"The filter is longer than {MaxFilter} characters.", statusCode: StatusCodes.Status400BadRequest);
                }

                // Without backtracking, the time to match is linear in the length of the text.
                var expression = new Regex(filter, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
                wanted.RemoveAll(s => !expression.IsMatch(s.Name));
            }
        }
        catch (Exception invalid) when (invalid is ArgumentException or NotSupportedException or RegexMatchTimeoutException)
        {
            return TypedResults.Problem("The filter is not a supported regular expression.", statusCode: StatusCodes.Status400BadRequest);
        }

        if (request.Query.ContainsKey("usedonly"))
        {
            wanted.RemoveAll(s => !s.IsUsed);
        }

        return write(wanted);
    }
}

internal static class Formats
{
    public static IResult Unknown(string format, string known) =>
        TypedResults.Problem($"Unknown format {format}; use {known}.", statusCode: StatusCodes.Status400BadRequest);
}
