using Microsoft.AspNetCore.Http.Timeouts;

namespace UserSvc.Edge.Resilience;

/// <summary>The time that a whole request may take: YARP's own setting of a route, <c>Timeout</c>, kept by ASP.NET's middleware.</summary>
internal static class RouteTimeout
{
    /// <summary>Tells a request cancelled by its time from one whose client has left: both come as the same token.</summary>
    public static bool HasPassed(HttpContext context) =>
        context.Features.Get<IHttpRequestTimeoutFeature>()?.RequestTimeoutToken.IsCancellationRequested == true;
}
