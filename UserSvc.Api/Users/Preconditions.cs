using Microsoft.AspNetCore.Http.HttpResults;
using Microsoft.Net.Http.Headers;

namespace UserSvc.Api.Users;

/// <summary>
/// Conditional requests (RFC 9110, 13). A handler asks when nothing else stands against a 2xx, and before it changes anything: other refusals
/// take precedence (13.2.1). Users have no modification date and no ranges, so <c>If-Modified-Since</c>, <c>If-Unmodified-Since</c> and
/// <c>If-Range</c> change nothing.
/// </summary>
internal static class Preconditions
{
    /// <summary>The answer to a read, unless a condition fails.</summary>
    /// <param name="request">GET or HEAD.</param>
    /// <param name="ok">The answer.</param>
    /// <param name="etag">The answer's entity tag, if it has one.</param>
    public static Results<TOk, StatusCodeHttpResult, ProblemHttpResult> Answer<TOk>(this HttpRequest request, TOk ok, string? etag = null)
        where TOk : IResult =>
        request.IfMatchFails(exists: true) ? Problems.PreconditionFailed()
        : request.IfNoneMatchFails(exists: true, etag) ? TypedResults.StatusCode(StatusCodes.Status304NotModified)
        : ok;

    /// <summary>Whether to answer 412 to a request other than GET and HEAD.</summary>
    /// <param name="request">The request.</param>
    /// <param name="exists">Whether there is something at its URL.</param>
    /// <param name="etag">The entity tag of that, if it has one.</param>
    public static bool ConditionFails(this HttpRequest request, bool exists, string? etag = null) => request.IfMatchFails(exists) || request.IfNoneMatchFails(exists, etag);

    // 13.1.1. The comparison is strong and all our tags are weak, so only * can match.
    private static bool IfMatchFails(this HttpRequest request, bool exists) => request.Headers.IfMatch.Count > 0 && !(exists && request.Headers.IfMatch == "*");

    // 13.1.2. The comparison is weak.
    private static bool IfNoneMatchFails(this HttpRequest request, bool exists, string? etag)
    {
        var header = request.Headers.IfNoneMatch;
        return exists && header.Count > 0 && EntityTagHeaderValue.TryParseList(header, out var tags)
            && tags.Any(tag => tag.Equals(EntityTagHeaderValue.Any) || (etag is not null && tag.Compare(EntityTagHeaderValue.Parse(etag), useStrongComparison: false)));
    }
}
