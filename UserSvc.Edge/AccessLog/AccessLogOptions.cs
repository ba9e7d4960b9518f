using Microsoft.Net.Http.Headers;
using UserSvc.ServiceDefaults;
using Yarp.ReverseProxy.Configuration;
using Yarp.ReverseProxy.Configuration.RouteValidators;

namespace UserSvc.Edge.AccessLog;

internal enum LoggedRequests
{
    None,

    /// <summary>5xx, refused and retried requests, and those whose client left.</summary>
    Failures,

    All,
}

internal enum LoggedPaths
{
    /// <summary>As the client wrote it, without the query.</summary>
    Full,

    /// <summary>The route's pattern, which names no user.</summary>
    Route,
}

/// <summary>Section <c>Edge:AccessLog</c>: one JSON line for each request to a public listener.</summary>
internal sealed class AccessLogOptions
{
    public const string Section = "Edge:AccessLog";

    /// <summary>Default <see cref="LoggedRequests.Failures"/>. A route's metadata <c>AccessLog.Requests</c> overrides it.</summary>
    public LoggedRequests Requests { get; set; } = LoggedRequests.Failures;

    /// <summary>A path, relative to the content root. Default empty: standard output.</summary>
    public string File { get; set; } = "";

    /// <summary>The bytes after which the file is renamed to <c>File.1</c> and a new one begins. Default 64 MiB; at least 4 KiB.</summary>
    public long MaxSize { get; set; } = 64 * 1024 * 1024;

    /// <summary>How many files are kept, with the current one. Default 4; 1 to 100.</summary>
    public int MaxFiles { get; set; } = 4;

    /// <summary>Default <see cref="LoggedPaths.Full"/>.</summary>
    public LoggedPaths Paths { get; set; }

    /// <summary>Whether lines hold the query. Default false: a query may hold secrets.</summary>
    public bool Query { get; set; }

    /// <summary>The request headers that lines hold. Default none. Headers with credentials are refused.</summary>
    public string[] Headers { get; set; } = [];

    /// <summary>Under <see cref="LoggedRequests.Failures"/>, the most lines in a second; the others are counted. Default 5; 1 to 100,000.</summary>
    public int MaxPerSecond { get; set; } = 5;

    public bool IsValid() => MaxSize >= 4 * 1024 && MaxFiles is >= 1 and <= 100 && MaxPerSecond is >= 1 and <= 100_000;

    public bool NamesNoCredentials() => !Headers.Any(name => name.Length == 0
        || new[] { HeaderNames.Authorization, HeaderNames.ProxyAuthorization, HeaderNames.Cookie }.Contains(name, StringComparer.OrdinalIgnoreCase));
}

/// <summary>A route's metadata has one setting of the edge: <c>AccessLog.Requests</c>.</summary>
internal sealed class RouteLogging : IRouteValidator
{
    private const string Key = "AccessLog.Requests";

    /// <summary>Runs for every request, so it parses nothing and allocates nothing.</summary>
    public static LoggedRequests? GetRequests(RouteConfig? route) => route?.Metadata?.GetValueOrDefault(Key) switch
    {
        nameof(LoggedRequests.None) => LoggedRequests.None,
        nameof(LoggedRequests.Failures) => LoggedRequests.Failures,
        nameof(LoggedRequests.All) => LoggedRequests.All,
        _ => null,
    };

    public ValueTask ValidateAsync(RouteConfig routeConfig, IList<Exception> errors)
    {
        foreach (var (key, value) in routeConfig.Metadata ?? new Dictionary<string, string>())
        {
            if (key == Key && GetRequests(routeConfig) is null)
            {
                errors.Add(new ArgumentException($"Metadata:{key} must be None, Failures or All, not '{value}', in the route {routeConfig.RouteId}."));
            }
            // RouteBodySize writes the other key.
            else if (key != Key && (key != nameof(RouteConfig.MaxRequestBodySize) || routeConfig.MaxRequestBodySize is null))
            {
                errors.Add(new ArgumentException($"Metadata:{key} is unknown; there is {Key}, in the route {routeConfig.RouteId}."));
            }
        }

        return ValueTask.CompletedTask;
    }
}

internal static class AccessLogExtensions
{
    public static void AddAccessLog(this IHostApplicationBuilder builder)
    {
        builder.Services.AddCheckedOptions<AccessLogOptions>(AccessLogOptions.Section)
            .Validate(o => Enum.IsDefined(o.Requests) && Enum.IsDefined(o.Paths), $"{AccessLogOptions.Section}:Requests must be None, Failures or All, and Paths must be Full or Route.")
            .Validate(o => o.IsValid(), $"{AccessLogOptions.Section}: MaxSize must be at least 4096 bytes, MaxFiles between 1 and 100, and MaxPerSecond between 1 and 100000.")
            .Validate(o => o.NamesNoCredentials(), $"{AccessLogOptions.Section}:Headers must be names of headers other than Authorization, Proxy-Authorization and Cookie: those hold credentials.");
        builder.Services.AddSingleton<IRouteValidator, RouteLogging>();
        builder.Services.AddSingleton<AccessLogger>();
        builder.Services.AddSingleton<RecentFailures>();
        builder.Services.AddSingleton<AccessLogWriter>();
        builder.Services.AddHostedService(services => services.GetRequiredService<AccessLogWriter>());
    }
}
