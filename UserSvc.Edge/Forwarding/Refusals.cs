namespace UserSvc.Edge.Forwarding;

internal static class Refusals
{
    /// <summary>
    /// 400 and the end of the connection: what follows a request that cannot be trusted may be part of it. Over HTTP/2 the client is
    /// told to open another.
    /// </summary>
    public static async Task RefuseAsync(this IProblemDetailsService problems, HttpContext context, string reason)
    {
        context.Response.StatusCode = StatusCodes.Status400BadRequest;
        context.Response.Headers.Connection = "close";
        await problems.WriteAsync(new() { HttpContext = context, ProblemDetails = { Detail = reason } });
    }
}
