using System.Net;
using Microsoft.Net.Http.Headers;
using UserSvc.Edge.Statistics;
using UserSvc.ServiceDefaults;
using Yarp.ReverseProxy.Forwarder;

namespace UserSvc.Edge.Resilience;

/// <summary>What a second execution of a request would do.</summary>
internal enum Repeatability
{
    /// <summary>Something different from the first: retried only if no byte of it reached a destination.</summary>
    Once,

    /// <summary>A plain PUT: the same again, but not while the first may still be executing.</summary>
    Idempotent,

    /// <summary>GET and HEAD: nothing.</summary>
    Safe,
}

/// <summary>Which requests may be repeated, how an attempt ended, and which endings may be retried.</summary>
internal static class RetryRules
{
    public static Repeatability GetRepeatability(HttpRequest request) =>
        HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) ? Repeatability.Safe
        : HttpMethods.IsPut(request.Method) && IsPlain(request.Headers) ? Repeatability.Idempotent
        : Repeatability.Once;

    public static bool Allow(Repeatability request, AttemptOutcome outcome) => outcome switch
    {
        AttemptOutcome.ConnectFailure => true,
        AttemptOutcome.Reset or AttemptOutcome.GatewayError => request is not Repeatability.Once,
        AttemptOutcome.TimedOut => request is Repeatability.Safe,
        _ => false,
    };

    public static AttemptOutcome Classify(HttpResponseMessage answer) =>
        answer.StatusCode < HttpStatusCode.InternalServerError ? AttemptOutcome.Answered
        : answer.Headers.NonValidated.Contains(ProblemJson.OverloadedHeader) ? AttemptOutcome.Overloaded
        : answer.StatusCode is HttpStatusCode.BadGateway or HttpStatusCode.ServiceUnavailable ? AttemptOutcome.GatewayError
        : AttemptOutcome.Failed;

    /// <param name="failure">The forwarder's error.</param>
    /// <param name="sent">Whether the destination had the whole request. If so, a timeout is not the client's fault.</param>
    /// <param name="timedOut">Whether the edge ended the attempt, before the client had any of its answer, because its time had passed.</param>
    public static AttemptOutcome Classify(IForwarderErrorFeature failure, bool sent, bool timedOut) => failure.Error switch
    {
        ForwarderError.Request when failure.Exception is HttpRequestException
        {
            HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError
                or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError,
        } => AttemptOutcome.ConnectFailure,
        // SocketsHttpHandler marks its ConnectTimeout this way; a cancelled token has no inner exception.
        ForwarderError.RequestTimedOut when failure.Exception is OperationCanceledException { InnerException: TimeoutException } => AttemptOutcome.ConnectFailure,
        ForwarderError.Request or ForwarderError.RequestBodyDestination => AttemptOutcome.Reset,
        // RequestTimedOut is the cluster's ActivityTimeout. The other two are headers that arrived as the time ran out.
        ForwarderError.RequestTimedOut when sent => AttemptOutcome.TimedOut,
        ForwarderError.RequestCanceled or ForwarderError.ResponseHeaders or ForwarderError.ResponseBodyCanceled when sent && timedOut => AttemptOutcome.TimedOut,
        ForwarderError.ResponseHeaders or ForwarderError.ResponseBodyDestination => AttemptOutcome.BrokenAnswer,
        _ => AttemptOutcome.Nothing,
    };

    // With credentials or a precondition, the effect of a PUT depends on the current content, which the first execution changes.
    private static bool IsPlain(IHeaderDictionary headers) =>
        !headers.ContainsKey(HeaderNames.Authorization) && !headers.ContainsKey(HeaderNames.IfMatch) && !headers.ContainsKey(HeaderNames.IfNoneMatch)
        && !headers.ContainsKey(HeaderNames.IfModifiedSince) && !headers.ContainsKey(HeaderNames.IfUnmodifiedSince);
}
