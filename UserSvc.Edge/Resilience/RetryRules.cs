using Microsoft.Net.Http.Headers;
using Yarp.ReverseProxy.Forwarder;

namespace UserSvc.Edge.Resilience;

/// <summary>What a second execution of a request would do.</summary>
internal enum Repeatability
{
    /// <summary>May have another effect than the first: tried again only when no byte of it reached an upstream.</summary>
    Once,

    /// <summary>A plain PUT: the same again, but not while the first may still be executed.</summary>
    Idempotent,

    /// <summary>GET and HEAD.</summary>
    Safe,
}

/// <summary>Why a try is followed by another; the names are those of the <c>reason</c> attribute of <c>edge.retries</c>.</summary>
internal enum RetryReason
{
    /// <summary>No connection: refused, timed out, name not found, TLS failed. No byte of the request reached the upstream.</summary>
    ConnectFailure,

    /// <summary>The connection broke before the answer's headers.</summary>
    Reset,

    /// <summary>No headers within the try's time.</summary>
    TryTimeout,

    /// <summary>The upstream answered 502 or 503, and it was no overload.</summary>
    GatewayError,
}

internal static class RetryRules
{
    public static Repeatability Of(HttpRequest request) =>
        HttpMethods.IsGet(request.Method) || HttpMethods.IsHead(request.Method) ? Repeatability.Safe
        : HttpMethods.IsPut(request.Method) && IsPlain(request.Headers) ? Repeatability.Idempotent
        : Repeatability.Once;

    public static bool Allow(Repeatability request, RetryReason reason) => reason switch
    {
        RetryReason.ConnectFailure => true,
        RetryReason.TryTimeout => request is Repeatability.Safe,
        _ => request is not Repeatability.Once,
    };

    /// <returns>Null for a failure that is the client's, or after the answer began.</returns>
    public static RetryReason? ReasonOf(IForwarderErrorFeature failure) => failure.Error switch
    {
        ForwarderError.Request when failure.Exception is HttpRequestException
        {
            HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError
                or HttpRequestError.SecureConnectionError or HttpRequestError.ProxyTunnelError,
        } => RetryReason.ConnectFailure,
        // So SocketsHttpHandler tells its ConnectTimeout from a token that was cancelled.
        ForwarderError.RequestTimedOut when failure.Exception is OperationCanceledException { InnerException: TimeoutException } => RetryReason.ConnectFailure,
        // The cluster's ActivityTimeout.
        ForwarderError.RequestTimedOut => RetryReason.TryTimeout,
        ForwarderError.Request or ForwarderError.RequestBodyDestination => RetryReason.Reset,
        _ => null,
    };

    // With its user's credentials or a precondition, what a PUT does depends on what there is: the first execution changes that.
    private static bool IsPlain(IHeaderDictionary headers) =>
        !headers.ContainsKey(HeaderNames.Authorization) && !headers.ContainsKey(HeaderNames.IfMatch) && !headers.ContainsKey(HeaderNames.IfNoneMatch)
        && !headers.ContainsKey(HeaderNames.IfModifiedSince) && !headers.ContainsKey(HeaderNames.IfUnmodifiedSince);
}
