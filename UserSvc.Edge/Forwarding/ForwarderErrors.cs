using Microsoft.AspNetCore.Http.Features;
using UserSvc.Edge.Limits;
using UserSvc.Edge.Listeners;
using Yarp.ReverseProxy.Forwarder;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Gives the forwarder's own failures a problem JSON body. An upstream's errors stay as they are, even without a body.
/// </summary>
internal sealed class ForwarderErrors(RequestDelegate next, IProblemDetailsService problems)
{
    private const int MaxLinger = 1024 * 1024;

    private static readonly TimeSpan MaxLingerTime = TimeSpan.FromSeconds(1);

    public async Task InvokeAsync(HttpContext context)
    {
        if (context.Request.ContentLength is { } length && length > MaxBodySize(context))
        {
            // The forwarder would notice only while sending the body, when the upstream is already reading a request that is then cut off.
            await new Refusal(StatusCodes.Status413PayloadTooLarge, null).WriteAsync(context, problems);
            await LingerAsync(context);
            return;
        }

        await next(context);

        if (context.GetForwarderErrorFeature() is { } failure && !context.Response.HasStarted && !context.RequestAborted.IsCancellationRequested)
        {
            await WriteAsync(context, failure);
        }
    }

    private async Task WriteAsync(HttpContext context, IForwarderErrorFeature failure)
    {
        var status = context.Response.StatusCode;
        if (failure.Exception is AggregateException { InnerExceptions: [BadHttpRequestException bad, ..] })
        {
            status = bad.StatusCode;
        }

        var detail = failure.Error is ForwarderError.NoAvailableDestinations ? "No instance of the service is available."
            : status is StatusCodes.Status502BadGateway ? "The service failed to answer."
            : RequestBuffer.Explain(status);
        await new Refusal(status, detail).WriteAsync(context, problems);
    }

    // Closing a connection with unread bytes resets it, and a client that is still sending may never see the answer. Read and discard some
    // of the rest first (nginx's lingering_close).
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
            // The rest is too long or too slow, or the client is gone: close the connection. BadHttpRequestException is an IOException.
        }
    }

    // YARP applies the route's limit later in the pipeline.
    private static long MaxBodySize(HttpContext context) =>
        (context.GetRouteModel().Config.MaxRequestBodySize ?? context.Features.Get<IHttpMaxRequestBodySizeFeature>()?.MaxRequestBodySize) is { } size and >= 0
            ? size
            : long.MaxValue;
}
