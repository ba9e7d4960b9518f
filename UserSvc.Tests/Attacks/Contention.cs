namespace UserSvc.Tests.Attacks;

/// <summary>Clients that replace one user with its own credentials, all at once.</summary>
internal sealed class Contention() : Attack("contention", 8)
{
    protected override async Task TakeTurnAsync(AttackTarget target, int client, CancellationToken ending)
    {
        using var http = CreateHttpClient(target.Http, client);
        for (var version = 0; ; version++)
        {
            using var request = new HttpRequestMessage(HttpMethod.Put, "/user/contended")
            {
                Content = UserRequests.Json(new { fullname = $"{client}.{version}", password = AttackTarget.Password }),
                Headers = { Authorization = UserRequests.Basic("contended", AttackTarget.Password) },
            };
            using var response = await http.SendAsync(request, ending);
            Count();
        }
    }
}
