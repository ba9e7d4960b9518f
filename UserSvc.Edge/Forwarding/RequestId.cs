using System.Buffers;
using System.Diagnostics;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Gives every request an X-Request-Id: the client's if it is well-formed (1 to 128 letters, digits, <c>. _ -</c>), otherwise a new one.
/// Upstreams get it, and every answer carries it, including the edge's own errors.
/// </summary>
internal sealed class RequestId(RequestDelegate next)
{
    private const string Header = "X-Request-Id";
    private const int MaxLength = 128;

    private static readonly SearchValues<char> Allowed =
        SearchValues.Create("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._-");

    public Task InvokeAsync(HttpContext context)
    {
        if (context.Request.Headers[Header] is not [{ Length: > 0 and <= MaxLength } id] || id.AsSpan().ContainsAnyExcept(Allowed))
        {
            // It must be unique, not secret: the generator of trace ids makes no system call.
            id = ActivityTraceId.CreateRandom().ToHexString();
            context.Request.Headers[Header] = id;
        }

        context.TraceIdentifier = id;
        // As late as possible: the error handler clears headers set earlier, and YARP would append an upstream's header to this one.
        context.Response.OnStarting(static state =>
        {
            var context = (HttpContext)state;
            context.Response.Headers[Header] = context.TraceIdentifier;
            return Task.CompletedTask;
        }, context);
        return next(context);
    }
}
