using System.Diagnostics;
using System.Globalization;
using System.Security.Authentication;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Options;
using UserSvc.Edge.Limits;
using UserSvc.Edge.Listeners;
using UserSvc.Edge.Resilience;
using UserSvc.Edge.Statistics;
using Yarp.ReverseProxy.Forwarder;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Edge.AccessLog;

/// <summary>A line of the access log, in Envoy's terms. Times are in milliseconds. The code is 0 if the client left before the answer began; what is not known is left out.</summary>
internal sealed record AccessLine(
    string StartTime, string Method, string? Path, string Protocol, int ResponseCode, string ResponseFlags, string? FailureReason, double Duration, string? Cluster, string? UpstreamHost,
    double? UpstreamServiceTime, IReadOnlyList<EndedAttempt>? Attempts, string RequestId, string? TraceId, string? ClientAddress, string? UserAgent,
    long BytesReceived, long? BytesSent, string? TlsVersion, string? Route, Dictionary<string, string>? Headers);

/// <summary>Stands for the requests without a line since the last such line.</summary>
internal sealed record MissingLines(string StartTime, long LeftOut, long Dropped);

[JsonSerializable(typeof(AccessLine))]
[JsonSerializable(typeof(FailureList))]
[JsonSerializable(typeof(MissingLines))]
internal sealed partial class AccessLogJson : JsonSerializerContext
{
    /// <summary>Leaves apostrophes and letters unescaped; only JSON inside HTML needs those escapes.</summary>
    public static AccessLogJson Readable { get; } = new(new()
    {
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter<LoggedRequests>(), new JsonStringEnumConverter<AttemptOutcome>(), new JsonStringEnumConverter<RetryDecision>() },
    });
}

/// <summary>Decides at the end of a request whether it gets a line, and describes it.</summary>
internal sealed class AccessLogger(IOptions<AccessLogOptions> options, AccessLogWriter writer, RecentFailures failures, TimeProvider time)
{
    // A client chooses how long its header is.
    private const int MaxLength = 1024;

    private readonly AccessLogOptions _options = options.Value;

    /// <summary>A successful request pays for a few look-ups here and nothing else.</summary>
    /// <param name="context">A completed request.</param>
    /// <param name="begun">The timestamp of its beginning.</param>
    public void Log(HttpContext context, long begun)
    {
        var proxied = context.Features.Get<IReverseProxyFeature>();
        var attempts = context.Features.Get<Attempts>();
        var wanted = RouteLogging.GetRequests(proxied?.Route.Config) ?? _options.Requests;
        var failed = wanted is not LoggedRequests.None && HasFailed(context, attempts);
        if (wanted is LoggedRequests.All || (failed && writer.AdmitFailure()))
        {
            var line = Describe(context, begun, proxied, attempts);
            writer.Write(line);
            if (failed)
            {
                failures.Add(line);
            }
        }
    }

    public static string Format(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);

    // Without attempts, the edge itself answered.
    private static bool HasFailed(HttpContext context, Attempts? attempts) =>
        context.Response.StatusCode >= (attempts is null ? 400 : 500)
        || attempts is { Number: > 1 }
        || !context.Response.HasStarted
        || context.Features.Get<IForwarderErrorFeature>() is not null;

    private AccessLine Describe(HttpContext context, long begun, IReverseProxyFeature? proxied, Attempts? attempts)
    {
        var (request, response, duration) = (context.Request, context.Response, Stopwatch.GetElapsedTime(begun));
        var destination = proxied?.ProxiedDestination;
        return new(
            StartTime: Format(time.GetUtcNow() - duration),
            Method: request.Method,
            Path: Cut(_options.Paths is LoggedPaths.Route ? proxied?.Route.Config.Match.Path : Target(context)),
            Protocol: request.Protocol,
            ResponseCode: response.HasStarted ? response.StatusCode : 0,
            ResponseFlags: ResponseFlags.Get(context, attempts),
            FailureReason: FailureReason(context),
            Duration: Milliseconds(duration),
            Cluster: proxied?.Cluster.Config.ClusterId,
            UpstreamHost: destination is null ? null : new Uri(destination.Model.Config.Address).Authority,
            UpstreamServiceTime: attempts?.ServiceTime is { } service ? Milliseconds(service) : null,
            Attempts: attempts is null || (destination is null && attempts.Earlier is []) ? null
                : destination is null ? attempts.Earlier
                : [.. attempts.Earlier, new(destination.DestinationId, attempts.Outcome, attempts.Decision)],
            RequestId: context.TraceIdentifier,
            TraceId: TraceId(context),
            ClientAddress: TrustedProxies.Plain(context.Connection.RemoteIpAddress)?.ToString(),
            UserAgent: Cut(HeaderBytes.Read(request.Headers.UserAgent)),
            BytesReceived: context.Features.Get<RequestBody>()?.BytesRead ?? 0,
            BytesSent: BytesSent(context, attempts),
            TlsVersion: context.Features.Get<ITlsHandshakeFeature>()?.Protocol switch
            {
                null => null,
                SslProtocols.Tls12 => "TLSv1.2",
                SslProtocols.Tls13 => "TLSv1.3",
                var other => other.ToString(),
            },
            Route: proxied?.Route.Config.RouteId,
            Headers: _options.Headers.Length == 0 ? null : Headers(request.Headers));
    }

    private Dictionary<string, string>? Headers(IHeaderDictionary headers)
    {
        var listed = _options.Headers.Where(headers.ContainsKey).ToDictionary(name => name.ToLowerInvariant(), name => Cut(HeaderBytes.Read(headers[name]))!);
        return listed.Count == 0 ? null : listed;
    }

    private string Target(HttpContext context)
    {
        var target = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        return !_options.Query && target.IndexOf('?', StringComparison.Ordinal) is >= 0 and var query ? target[..query] : target;
    }

    // Without telemetry there is no activity, but the client's trace goes on upstream: 00-<32 hex digits>-….
    private static string? TraceId(HttpContext context) =>
        context.Features.Get<IHttpActivityFeature>()?.Activity?.TraceId.ToHexString()
        ?? (context.Request.Headers.TraceParent is [{ Length: >= 55 } parent] && ActivityContext.TryParse(parent, null, out var client) ? client.TraceId.ToHexString() : null);

    // Kestrel does not say how much it sent. A body without a length, or one that was cut, is unknown.
    private static long? BytesSent(HttpContext context, Attempts? attempts) =>
        !context.Response.HasStarted || HttpMethods.IsHead(context.Request.Method) || context.Response.StatusCode is 204 or 304 ? 0
        // An answer that failed after its headers.
        : context.GetForwarderErrorFeature() is null || attempts?.ServiceTime is null ? context.Response.ContentLength
        : null;

    // A cancellation says less than its flag, except the one of a connection that took too long.
    private static string? FailureReason(HttpContext context) => (context.GetForwarderErrorFeature()?.Exception ?? context.Features.Get<RequestBody>()?.Failure) switch
    {
        null or OperationCanceledException { InnerException: not TimeoutException } => null,
        AggregateException { InnerException: { } first } => Cut(first.GetBaseException().Message),
        var cause => Cut(cause.GetBaseException().Message),
    };

    private static double Milliseconds(TimeSpan elapsed) => Math.Round(elapsed.TotalMilliseconds, 1);

    private static string? Cut(string? text) => text?.Length > MaxLength ? text[..MaxLength] : text;
}
