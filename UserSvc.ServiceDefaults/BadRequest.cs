using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace UserSvc.ServiceDefaults;

internal static class BadRequest
{
    /// <summary>One sentence for the client; never the exception's own text, which names types of this program.</summary>
    public static string? Explain(BadHttpRequestException exception) => exception switch
    {
        { StatusCode: StatusCodes.Status408RequestTimeout } => "The request body arrived too slowly.",
        { InnerException: JsonException json } => ExplainJson(json),
        { StatusCode: StatusCodes.Status400BadRequest } => "The request's body or a parameter is missing or malformed.",
        _ => null,
    };

    // Path is "$", "$.password", or null for what is not JSON at all.
    private static string ExplainJson(JsonException json) => json.Path is { Length: > 2 } path && path.StartsWith("$.", StringComparison.Ordinal)
        ? $"The field {path[2..]} is malformed, of the wrong type or given twice."
        : "The request body is not a JSON object.";
}
