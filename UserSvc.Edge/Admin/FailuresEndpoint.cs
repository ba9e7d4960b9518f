using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Extensions.Options;
using UserSvc.Edge.AccessLog;
using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Admin;

/// <summary><c>/failures</c>: the last requests that failed or were refused or retried, as in the access log.</summary>
internal sealed class FailuresEndpoint(RecentFailures recent, IOptions<AccessLogOptions> log, IConfiguration configuration)
{
    private const string Placeholder = "{trace_id}";

    /// <summary>
    /// <c>Edge:TraceUrl</c>: where the page links a trace id, such as <c>https://tempo.internal/trace/{trace_id}</c>. Default none: it links
    /// nothing. Only http and https: the link must not run a script.
    /// </summary>
    public static KnownSection TraceUrl { get; } = new("Edge:TraceUrl", typeof(string), section =>
        string.IsNullOrEmpty(section.Value) || IsTemplate(section.Value) ? []
            : [$"{section.Path} must be an http or https URL that contains {Placeholder}, such as https://tempo.internal/trace/{Placeholder}: {section.Value}"]);

    /// <summary>Changes with each failure.</summary>
    public long Total => recent.Total;

    internal static ContentHttpResult Get(string? route, string? flag, FailuresEndpoint failures) =>
        TypedResults.Text(failures.Write(route, flag), "application/json", Encoding.UTF8);

    /// <param name="route">Only failures of this route; empty is those that were refused before routing.</param>
    /// <param name="flag">Only failures with this response flag.</param>
    public string Write(string? route = null, string? flag = null)
    {
        var lines = recent.Lines.Where(line => (route is null || route == (line.Route ?? "")) && (flag is null || line.ResponseFlags.Split(',').Contains(flag)));
        return JsonSerializer.Serialize(new FailureList(log.Value.Requests, configuration[TraceUrl.Path], [.. lines]), AccessLogJson.Readable.FailureList);
    }

    private static bool IsTemplate(string url) => url.Contains(Placeholder, StringComparison.Ordinal)
        && Uri.TryCreate(url, UriKind.Absolute, out var address) && (address.Scheme == Uri.UriSchemeHttp || address.Scheme == Uri.UriSchemeHttps);
}
