using Microsoft.AspNetCore.WebUtilities;

namespace UserSvc.Tests.Edge;

internal static class EdgeAnswers
{
    public static readonly Answer NotFound = Problem(404, "path_not_found", "There is nothing at this path.");

    public static readonly Answer NoInstance = Problem(503, "unavailable", "No instance of the service is available.");

    public static Answer Problem(int status, string code, string error) => new(status,
        $$"""{"type":"about:blank","title":"{{ReasonPhrases.GetReasonPhrase(status)}}","status":{{status}},"detail":"{{error}}","code":"{{code}}","ok":false,"error":"{{error}}","hostname":"edge-1","resolvedname":"127.0.0.1"}""");

    public static async Task<Answer> AskAsync(this HttpClient client, string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        return await client.AskAsync(request);
    }

    public static async Task<Answer> AskAsync(this HttpClient client, HttpRequestMessage request)
    {
        using var response = await client.SendAsync(request, TestContext.Current.CancellationToken);
        return await Answer.ReadAsync(response);
    }

    /// <summary>Asks for the path as it is written here; an ordinary Uri would unescape and shorten it.</summary>
    public static Task<HttpResponseMessage> GetAsWrittenAsync(this HttpClient client, string path) =>
        client.GetAsync(new Uri(client.BaseAddress!.AbsoluteUri.TrimEnd('/') + path, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }),
            TestContext.Current.CancellationToken);
}
