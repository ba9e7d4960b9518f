using System.Text.RegularExpressions;
using UserSvc.Edge.AccessLog;
using UserSvc.Edge.Discovery;
using UserSvc.Edge.Limits;
using UserSvc.Edge.Listeners;
using UserSvc.Edge.Resilience;

namespace UserSvc.Edge.Admin;

/// <summary><c>/stats</c> and <c>/stats/prometheus</c>, with Envoy's <c>filter</c>, <c>usedonly</c> and <c>format</c>.</summary>
internal static class StatsEndpoints
{
    private const int MaxFilter = 256;

    internal static Task<IResult> Get(HttpRequest request, EdgeStats stats, CancellationToken cancellationToken) => request.Query["format"].ToString() switch
    {
        "" or "text" => WriteAsync(request, stats, s => TypedResults.Text(StatsText.Write(s)), cancellationToken),
        "json" => WriteAsync(request, stats, s => AdminAnswers.Json(StatsText.ToJson(s)), cancellationToken),
        "prometheus" => GetPrometheus(request, stats, cancellationToken),
        var other => Task.FromResult(AdminAnswers.UnknownFormat(other, "text, json or prometheus")),
    };

    internal static Task<IResult> GetPrometheus(HttpRequest request, EdgeStats stats, CancellationToken cancellationToken) =>
        WriteAsync(request, stats, s => TypedResults.Text(PrometheusText.Write(s), PrometheusText.ContentType), cancellationToken);

    private static async Task<IResult> WriteAsync(HttpRequest request, EdgeStats stats, Func<IEnumerable<Stat>, IResult> write, CancellationToken cancellationToken)
    {
        var wanted = await stats.CollectAsync(cancellationToken);
        if (request.Query["filter"].ToString() is { Length: > 0 } filter)
        {
            if (request.HttpContext.GetListener() is not Listener.Admin)
            {
                return AdminAnswers.BadRequest("Only the admin listener supports a filter.");
            }

            if (filter.Length > MaxFilter)
            {
                return AdminAnswers.BadRequest($"The filter is longer than {MaxFilter} characters.");
            }

            try
            {
                // Without backtracking, the time to match is linear in the length of the text.
                var expression = new Regex(filter, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
                wanted.RemoveAll(s => !expression.IsMatch(s.Name));
            }
            catch (Exception invalid) when (invalid is ArgumentException or NotSupportedException or RegexMatchTimeoutException)
            {
                return AdminAnswers.BadRequest("The filter is not a supported regular expression.");
            }
        }

        if (request.Query.ContainsKey("usedonly"))
        {
            wanted.RemoveAll(s => !s.IsUsed);
        }

        return write(wanted);
    }
}

/// <summary>Reads every figure of the edge.</summary>
internal sealed class EdgeStats(
    ClusterStatuses clusters, OpenListeners listeners, RequestLimits limits, RequestBufferBudget buffer, DiscoverySources sources, AccessLogWriter accessLog, ServerState server)
{
    public async Task<List<Stat>> CollectAsync(CancellationToken cancellationToken)
    {
        var status = await server.ReadAsync(cancellationToken);
        var all = clusters.GetAll();
        return
        [
            .. all.SelectMany(Figures.Clusters.Read),
            .. all.SelectMany(c => c.Destinations).SelectMany(Figures.Destinations.Read),
            .. listeners.All.SelectMany(Figures.Listeners.Read),
            .. limits.All.SelectMany(Figures.RequestLimits.Read),
            .. Figures.RequestBuffer.Read(buffer),
            .. sources.All.SelectMany(Figures.Sources.Read),
            .. Figures.AccessLog.Read(accessLog),
            .. Figures.Server.Read((status, server.Uptime, listeners.All.Sum(l => l.Statistics.OpenConnections))),
        ];
    }
}
