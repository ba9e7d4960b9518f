using UserSvc.Edge.Resilience;
using UserSvc.Edge.Statistics;
using UserSvc.ServiceDefaults;
using Yarp.ReverseProxy.Forwarder;

namespace UserSvc.Edge.AccessLog;

/// <summary>Envoy's response flags: what went wrong with a request, and on which side.</summary>
internal static class ResponseFlags
{
    /// <returns>Flags joined by a comma; <c>-</c> for none.</returns>
    public static string Get(HttpContext context, Attempts? attempts)
    {
        var cause = context.GetForwarderErrorFeature() is { } failure ? FromFailure(context, failure, attempts) : FromAnswer(context, attempts);
        // Envoy also marks an overflow of its budget for retries as UO.
        var retry = attempts?.Decision switch
        {
            RetryDecision.NoAttemptsLeft when attempts.Number > 1 => "URX",
            RetryDecision.BudgetSpent => "UO",
            _ => null,
        };
        return cause is null ? retry ?? "-" : retry is null ? cause : $"{cause},{retry}";
    }

    private static string? FromFailure(HttpContext context, IForwarderErrorFeature failure, Attempts? attempts) => (failure.Error, attempts?.Outcome) switch
    {
        (ForwarderError.NoAvailableDestinations, _) => "UH",
        (_, AttemptOutcome.ConnectFailure) => "UF",
        (_, AttemptOutcome.TimedOut) => "UT",
        (_, AttemptOutcome.Reset) when failure.Exception?.GetBaseException() is HttpProtocolException => "UR",
        (_, AttemptOutcome.Reset) when failure.Exception is HttpRequestException { HttpRequestError: HttpRequestError.InvalidResponse } => "UPE",
        (ForwarderError.ResponseHeaders, _) => "UPE",
        (ForwarderError.ResponseBodyDestination, _) when failure.Exception is OperationCanceledException => "UT",
        (ForwarderError.ResponseBodyDestination or ForwarderError.UpgradeResponseDestination or ForwarderError.UpgradeRequestDestination, _) => "UC",
        (_, AttemptOutcome.Reset) => "UC",
        // The time passed while the client still sent the request or read the answer.
        (ForwarderError.RequestTimedOut, _) => "UT",
        _ when attempts is { TimedOut: true } => "UT",
        (ForwarderError.RequestBodyClient, _) when context.Response.StatusCode is >= 400 and < 500 && context.Response.HasStarted => "DPE",
        _ => "DC",
    };

    // The forwarder has not failed: the edge refused the request before or instead of forwarding it, an upstream answered, or the client left.
    private static string? FromAnswer(HttpContext context, Attempts? attempts)
    {
        var response = context.Response;
        return !response.HasStarted ? "DC"
            : attempts is not (null or { Outcome: AttemptOutcome.Nothing }) ? null
            : response.StatusCode switch
            {
                StatusCodes.Status404NotFound when context.GetEndpoint() is null => "NR",
                StatusCodes.Status429TooManyRequests => "RL",
                StatusCodes.Status503ServiceUnavailable => response.Headers.ContainsKey(ProblemJson.OverloadedHeader) ? "UO" : "LH",
                (>= 400 and < 500) or StatusCodes.Status501NotImplemented => "DPE",
                _ => null,
            };
    }
}
