using System.Globalization;
using UserSvc.Edge.Listeners;

namespace UserSvc.Edge.Forwarding;

/// <summary>
/// <c>Max-Forwards</c> of OPTIONS and TRACE (RFC 9110, 7.6.2): 0 is answered here, anything else is forwarded less one. Other methods keep
/// theirs.
/// </summary>
internal static class MaxForwards
{
    /// <returns>Null if the request is to be forwarded.</returns>
    public static Task? Answer(HttpContext context, IProblemDetailsService problems)
    {
        var (method, headers) = (context.Request.Method, context.Request.Headers);
        if (!(HttpMethods.IsOptions(method) || HttpMethods.IsTrace(method)) || headers.MaxForwards is not { Count: > 0 } header || context.GetListener() is not Listener.Public)
        {
            return null;
        }

        var digits = header.ToString();
        if (digits.Length == 0 || digits.AsSpan().ContainsAnyExceptInRange('0', '9'))
        {
            return new Refusal(StatusCodes.Status400BadRequest, "Max-Forwards is not a number.").WriteAsync(context, problems);
        }

        // A number has no bound, but a proxy may have a maximum.
        if (!uint.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var forwards))
        {
            forwards = uint.MaxValue;
        }

        if (forwards > 0)
        {
            headers.MaxForwards = (forwards - 1).ToString(CultureInfo.InvariantCulture);
            return null;
        }

        if (HttpMethods.IsTrace(method))
        {
            // It would reflect the request, credentials included.
            return new Refusal(StatusCodes.Status501NotImplemented, "This proxy does not answer TRACE.").WriteAsync(context, problems);
        }

        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }
}
