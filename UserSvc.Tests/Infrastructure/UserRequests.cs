using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace UserSvc.Tests.Infrastructure;

/// <summary>The API's requests as methods.</summary>
internal static class UserRequests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static async Task<Answer> AnswerToGetAsync(this HttpClient client, string path) => await Answer.ReadAsync(await client.GetAsync(path, Cancellation));

    public static async Task<Answer> PutUserAsync(
        this HttpClient client, string name, string fullname, string password, (string Name, string Password)? basic = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Put, $"/user/{name}") { Content = Json(new { fullname, password }) };
        request.Headers.Authorization = basic is { } own ? Basic(own.Name, own.Password) : null;
        return await client.AnswerAsync(request);
    }

    /// <summary>Creates users until it is stopped.</summary>
    /// <returns>The name of each, and what became of it.</returns>
    public static async Task<List<(string Name, int Status)>> PutUsersAsync(this HttpClient client, string prefix, string password, CancellationToken stop)
    {
        var outcomes = new List<(string, int)>();
        for (var i = 0; !stop.IsCancellationRequested; i++)
        {
            var name = $"{prefix}.{i}";
            outcomes.Add((name, (await client.PutUserAsync(name, name, password)).Status));
        }

        return outcomes;
    }

    public static async Task<Answer> VerifyAsync(this HttpClient client, string name, string password)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, $"/user/{name}/verify") { Content = Json(new { password }) };
        return await client.AnswerAsync(request);
    }

    public static async Task<Answer> DeleteUserAsync(this HttpClient client, string name, AuthenticationHeaderValue? authorization)
    {
        using var request = new HttpRequestMessage(HttpMethod.Delete, $"/user/{name}");
        request.Headers.Authorization = authorization;
        return await client.AnswerAsync(request);
    }

    public static async Task<Answer> AsAdministratorAsync(this HttpClient client, HttpMethod method, string path, string key = ApiInstance.AdminKey)
    {
        using var request = new HttpRequestMessage(method, path);
        request.Headers.Authorization = new("Bearer", key);
        return await client.AnswerAsync(request);
    }

    public static async Task<Answer> AnswerAsync(this HttpClient client, HttpRequestMessage request) =>
        await Answer.ReadAsync(await client.SendAsync(request, Cancellation));

    public static AuthenticationHeaderValue Basic(string name, string password) =>
        new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{name}:{password}")));

    public static StringContent Json(object body) => new(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json");
}
