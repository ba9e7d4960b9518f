namespace UserSvc.Edge.Statistics;

/// <summary>How an attempt ended: the one classification that retries, ejection and statistics use.</summary>
internal enum AttemptOutcome
{
    /// <summary>Says nothing about the destination: the client left, or sent its body slowly.</summary>
    Nothing,

    /// <summary>Any status below 500.</summary>
    Answered,

    /// <summary>A 5xx marked as overload: a healthy instance says no.</summary>
    Overloaded,

    /// <summary>Any other 5xx.</summary>
    Failed,

    /// <summary>502 or 503, not marked as overload.</summary>
    GatewayError,

    /// <summary>No connection: refused, timed out, name not found, TLS failed. No byte of the request reached the destination.</summary>
    ConnectFailure,

    /// <summary>The connection broke before the answer's headers.</summary>
    Reset,

    /// <summary>The destination had the whole request and did not answer in time.</summary>
    TimedOut,

    /// <summary>The answer is not HTTP, or its body broke off.</summary>
    BrokenAnswer,
}

internal static class AttemptOutcomes
{
    public static bool IsAnswer(this AttemptOutcome outcome) => outcome is >= AttemptOutcome.Answered and <= AttemptOutcome.GatewayError;

    /// <summary>Whether the destination is to blame.</summary>
    public static bool IsFailure(this AttemptOutcome outcome) => outcome >= AttemptOutcome.Failed;
}
