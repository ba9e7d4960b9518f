using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Listeners;

/// <summary>An answer that the edge gives itself: problem JSON with this status and detail. Without a detail the status explains itself.</summary>
internal readonly record struct Refusal(int Status, string? Detail)
{
    /// <summary>Marks the answer as overload, so that no proxy retries it or blames this one.</summary>
    public bool Overloaded { get; init; }

    /// <summary>Closes the connection after the answer; over HTTP/2, asks the client to open another.</summary>
    public bool Close { get; init; }

    /// <summary>400. Closes the connection: what follows an ambiguous request may be part of it.</summary>
    public static Refusal Ambiguous(string detail) => new(StatusCodes.Status400BadRequest, detail) { Close = true };

    /// <summary>503 with Retry-After.</summary>
    public static Refusal Unavailable(string detail) => new(StatusCodes.Status503ServiceUnavailable, detail);

    /// <summary>503 with Retry-After and the mark of overload.</summary>
    public static Refusal Overload(string detail) => Unavailable(detail) with { Overloaded = true };

    public async Task WriteAsync(HttpContext context, IProblemDetailsService problems)
    {
        context.Response.StatusCode = Status;
        if (Status is StatusCodes.Status503ServiceUnavailable)
        {
            context.Response.MarkUnavailable(Overloaded);
        }

        if (Close)
        {
            context.Response.Headers.Connection = "close";
        }

        await problems.WriteAsync(new() { HttpContext = context, ProblemDetails = { Detail = Detail } });
    }
}
