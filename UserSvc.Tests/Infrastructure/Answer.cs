using System.Text.RegularExpressions;
using Microsoft.AspNetCore.WebUtilities;

namespace UserSvc.Tests.Infrastructure;

/// <summary>An answer's status and body, with each uuid replaced by <c>UUID</c>.</summary>
internal sealed partial record Answer(int Status, string Body)
{
    private const string Identity = "\"hostname\":\"usersvc-1\",\"resolvedname\":\"127.0.0.1\"";

    public static async Task<Answer> ReadAsync(HttpResponseMessage response) =>
        new((int)response.StatusCode, Uuid().Replace(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), "UUID"));

    public static Answer User(int status, string fullname) => new(status, $$"""{"ok":true,"uuid":"UUID","fullname":"{{fullname}}",{{Identity}}}""");

    public static Answer Problem(int status, string code, string error) => new(status,
        $$"""{"type":"about:blank","title":"{{ReasonPhrases.GetReasonPhrase(status)}}","status":{{status}},"detail":"{{error}}","code":"{{code}}","ok":false,"error":"{{error}}",{{Identity}}}""");

    /// <summary>A 400 with an error for each invalid field.</summary>
    public static Answer Invalid(params ReadOnlySpan<(string Field, string Error)> errors)
    {
        var sentence = string.Empty;
        var byField = string.Empty;
        foreach (var (field, error) in errors)
        {
            sentence += (sentence.Length > 0 ? "; " : "") + error;
            byField += (byField.Length > 0 ? "," : "") + $"\"{field}\":[\"{error}\"]";
        }

        sentence += ".";
        return new(400, $$"""{"type":"about:blank","title":"Bad Request","status":400,"detail":"{{sentence}}","errors":{{{byField}}},"code":"content_invalid","ok":false,"error":"{{sentence}}",{{Identity}}}""");
    }

    [GeneratedRegex("[0-9A-F]{32}")]
    private static partial Regex Uuid();
}
