using System.Buffers;
using System.Diagnostics;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// Every request has an X-Request-Id: the client's where it is well-formed (1 to 128 of letters, digits, <c>. _ -</c>), a new one
/// otherwise. Upstreams get it, and every answer carries it, the edge's own errors included.
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
            // Unique, not secret: the generator of trace ids needs no system call.
            id = ActivityTraceId.CreateRandom().ToHexString();
            context.Request.Headers[Header] = id;
        }

        context.TraceIdentifier = id;
        // Last of all, as the error handler clears what is set before, and an upstream's own header would be appended to ours.
        context.Response.OnStarting(static state =>
        {
            var context = (HttpContext)state;
            context.Response.Headers[Header] = context.TraceIdentifier;
            return Task.CompletedTask;
        }, context);
        return next(context);
    }
}
