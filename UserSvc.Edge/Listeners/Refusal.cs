using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Listeners;

/// <summary>An answer that the edge gives itself, as problem JSON. Without a detail the status explains itself.</summary>
/// <param name="Status">429 and 503 get Retry-After. 400, 408, 413 and 501 close the connection: the unread rest of the request cannot be trusted.</param>
/// <param name="Detail">One sentence.</param>
/// <param name="Overloaded">Marks the answer as overload, so that no proxy retries it or blames this one.</param>
internal readonly record struct Refusal(int Status, string? Detail, bool Overloaded = false)
{
    public async Task WriteAsync(HttpContext context, IProblemDetailsService problems)
    {
        context.Response.StatusCode = Status;
        if (Status is StatusCodes.Status503ServiceUnavailable)
        {
            context.Response.MarkUnavailable(Overloaded);
        }
        else if (Status is StatusCodes.Status429TooManyRequests)
        {
            context.Response.Headers["x-envoy-ratelimited"] = "true";
            // A limit that knows how long to wait has said so.
            context.Response.Headers.TryAdd("Retry-After", "1");
        }
        else if (Status is StatusCodes.Status400BadRequest or StatusCodes.Status408RequestTimeout or StatusCodes.Status413PayloadTooLarge
            or StatusCodes.Status501NotImplemented)
        {
            // Over HTTP/2 this asks the client to open another connection.
            context.Response.Headers.Connection = "close";
        }

        await problems.WriteAsync(new() { HttpContext = context, ProblemDetails = { Detail = Detail } });
    }
}
