using Yarp.ReverseProxy.Forwarder;

namespace UserSvc.Edge.Resilience;

/// <summary>What a try came to, for the passive health policy and the statistics alike.</summary>
internal enum TryOutcome
{
    /// <summary>Tells nothing of the destination: the client left, or was slow with its body.</summary>
    Nothing,

    /// <summary>Any status below 500.</summary>
    Answered,

    /// <summary>A 5xx that is marked as overload: a healthy instance says no.</summary>
    Overloaded,

    /// <summary>Any other 5xx.</summary>
    Failed,

    /// <summary>No connection: refused, timed out, name not found, TLS failed.</summary>
    ConnectFailure,

    /// <summary>The connection broke before the answer's headers.</summary>
    Reset,

    /// <summary>The destination had the whole request and did not answer in time.</summary>
    TimedOut,

    /// <summary>The answer is no HTTP, or ended in its middle.</summary>
    BrokenAnswer,
}

internal static class TryOutcomes
{
    public static bool IsFailure(this TryOutcome outcome) => outcome >= TryOutcome.Failed;

    public static TryOutcome Of(HttpContext context, Tries tries, ForwarderError error) => error switch
    {
        ForwarderError.None => context.Response.StatusCode < StatusCodes.Status500InternalServerError ? TryOutcome.Answered
            : context.Response.Headers.ContainsKey(Overload.Header) ? TryOutcome.Overloaded
            : TryOutcome.Failed,
        ForwarderError.Request or ForwarderError.RequestBodyDestination => IsConnectFailure(context) ? TryOutcome.ConnectFailure : TryOutcome.Reset,
        ForwarderError.ResponseHeaders or ForwarderError.ResponseBodyDestination => TryOutcome.BrokenAnswer,
        ForwarderError.RequestTimedOut when IsConnectFailure(context) => TryOutcome.ConnectFailure,
        ForwarderError.RequestTimedOut when tries.IsSent => TryOutcome.TimedOut,
        ForwarderError.RequestCanceled when tries is { IsSent: true, TimedOut: true } => TryOutcome.TimedOut,
        _ => TryOutcome.Nothing,
    };

    private static bool IsConnectFailure(HttpContext context) =>
        context.GetForwarderErrorFeature() is { } failure && RetryRules.ReasonOf(failure) is RetryReason.ConnectFailure;
}
