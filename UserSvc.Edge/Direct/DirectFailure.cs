using UserSvc.Edge.Resilience;
using Yarp.ReverseProxy.Forwarder;

namespace UserSvc.Edge.Direct;

/// <summary>Ends a request as YARP's forwarder does, with the same errors, which retries, flags and figures read.</summary>
internal sealed record DirectFailure(ForwarderError Error, Exception? Exception) : IForwarderErrorFeature
{
    public static async ValueTask<ForwarderError> ReportAsync(
        HttpContext context, Attempts attempts, HttpTransformer transformer, Exception failure, CancellationToken ended)
    {
        var response = context.Response;
        var left = context.RequestAborted.IsCancellationRequested;
        var cancelled = left || (ended.IsCancellationRequested && !attempts.Stalled);
        var cause = cancelled || attempts.Stalled ? new OperationCanceledException("The edge ended the attempt.", failure)
            : failure is OperationCanceledException or HttpRequestException ? failure
            : new HttpRequestException(HttpRequestError.ResponseEnded, failure.Message, failure);
        var answered = attempts.ServiceTime is not null;
        var error = answered
            ? cancelled ? ForwarderError.ResponseBodyCanceled : ForwarderError.ResponseBodyDestination
            : cancelled ? ForwarderError.RequestCanceled : cause is OperationCanceledException ? ForwarderError.RequestTimedOut : ForwarderError.Request;
        context.Features.Set<IForwarderErrorFeature>(new DirectFailure(error, cause));
        if (response.HasStarted)
        {
            // The client must not take what it has for the whole answer.
            context.Abort();
        }
        else
        {
            if (answered)
            {
                response.Clear();
            }

            response.StatusCode = error is ForwarderError.RequestTimedOut ? StatusCodes.Status504GatewayTimeout
                : left && !answered ? StatusCodes.Status400BadRequest
                : StatusCodes.Status502BadGateway;
            await transformer.TransformResponseAsync(context, null, CancellationToken.None);
        }

        return error;
    }
}
