using UserSvc.ServiceDefaults;

namespace UserSvc.Edge.Resilience;

internal static class Overload
{
    /// <summary>Envoy's mark of an answer that says no for overload's sake.</summary>
    public const string Header = "x-envoy-overloaded";

    /// <summary>503 with Retry-After and the mark, written at once: an exception would cost most when there is least to spend.</summary>
    public static async Task RefuseAsync(HttpContext context, IProblemDetailsService problems, string sentence) =>
        await problems.WriteAsync(new() { HttpContext = context, Exception = new UnavailableException(sentence, overloaded: true) });
}
