using Microsoft.AspNetCore.Http.Features;
using UserSvc.Edge.Resilience;
using UserSvc.ServiceDefaults;
using Yarp.ReverseProxy.Forwarder;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Gives the forwarder's own failures a problem JSON body and one line in the log, and keeps an upstream's errors as they are,
/// empty ones too.
/// </summary>
internal sealed partial class ForwarderErrors(RequestDelegate next, IProblemDetailsService problems, ILogger<ForwarderErrors> logger)
{
    private const int MaxLinger = 1024 * 1024;

    private static readonly TimeSpan MaxLingerTime = TimeSpan.FromSeconds(1);

    public async Task InvokeAsync(HttpContext context)
    {
        if (context.Request.ContentLength is { } length && length > MaxBodySize(context))
        {
            // The forwarder would find out while it sends the body: by then an upstream has begun to read a request that is then cut.
            Close(context);
            await WriteAsync(context, new BadHttpRequestException("Too large", StatusCodes.Status413PayloadTooLarge));
            await LingerAsync(context);
            return;
        }

        await next(context);

        if (context.GetForwarderErrorFeature() is not { } failure)
        {
            return;
        }

        if (IsUpstreams(failure.Error) || context.Features.Get<Tries>() is { TimedOut: true })
        {
            var proxied = context.GetReverseProxyFeature();
            LogFailed(logger, context.TraceIdentifier, proxied.Cluster.Config.ClusterId, proxied.ProxiedDestination?.DestinationId, failure.Error, failure.Exception?.GetBaseException().Message);
        }

        if (!context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
        {
            if (failure.Error == ForwarderError.RequestBodyClient)
            {
                Close(context);
            }

            await WriteAsync(context, failure);
        }
    }

    private Task WriteAsync(HttpContext context, IForwarderErrorFeature failure) => failure switch
    {
        { Error: ForwarderError.NoAvailableDestinations } => WriteAsync(context, new UnavailableException("No instance of the service is available.")),
        { Exception: AggregateException { InnerExceptions: [BadHttpRequestException bad, ..] } } => WriteAsync(context, bad),
        _ => WriteAsync(context, null, context.Response.StatusCode switch
        {
            StatusCodes.Status408RequestTimeout => "The request body arrived too slowly.",
            StatusCodes.Status502BadGateway => "The service failed to answer.",
            _ => null,
        }),
    };

    // Kestrel closes the connection of a body that it will not or cannot read; this way the client knows.
    private static void Close(HttpContext context) => context.Response.Headers.Connection = "close";

    // A connection that is closed with bytes unread is reset, which may take the answer from a client that still sends: some of the rest
    // is read and thrown away first (nginx's lingering_close).
    private static async Task LingerAsync(HttpContext context)
    {
        context.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize = MaxLinger;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        limit.CancelAfter(MaxLingerTime);
        try
        {
            await context.Response.CompleteAsync();
            await context.Request.Body.CopyToAsync(Stream.Null, limit.Token);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            // Longer, slower or gone: then the connection is closed as it is. BadHttpRequestException is an IOException.
        }
    }

    private async Task WriteAsync(HttpContext context, Exception? exception, string? detail = null) =>
        await problems.WriteAsync(new() { HttpContext = context, Exception = exception, ProblemDetails = { Detail = detail } });

    // What YARP sets on a request for its route's sake, it sets after this.
    private static long MaxBodySize(HttpContext context) =>
        (context.GetRouteModel().Config.MaxRequestBodySize ?? context.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize) is { } size and >= 0
            ? size
            : long.MaxValue;

    private static bool IsUpstreams(ForwarderError error) => error
        is ForwarderError.Request or ForwarderError.RequestTimedOut or ForwarderError.RequestBodyDestination
        or ForwarderError.ResponseHeaders or ForwarderError.ResponseBodyDestination;

    [LoggerMessage(Level = LogLevel.Warning, Message = "Forwarding {RequestId} to {Destination} of {Cluster} failed: {Error}: {Reason}")]
    private static partial void LogFailed(ILogger logger, string requestId, string cluster, string? destination, ForwarderError error, string? reason);
}
