namespace UserSvc.Tests.Attacks;

/// <summary>Clients that only send passwords: half of them create users, half verify one.</summary>
internal sealed class HashFlood() : Attack("hash-flood", 60)
{
    private readonly string _prefix = $"flood.{Guid.NewGuid():N}";

    protected override async Task TakeTurnAsync(AttackTarget target, int client, CancellationToken ending)
    {
        using var http = CreateHttpClient(target.Http, client);
        for (var number = 0; ; number++)
        {
            using var response = client % 2 == 0
                ? await http.PutAsync($"/user/{_prefix}.{client}.{number}", UserRequests.Json(new { fullname = "Flood", password = AttackTarget.Password }), ending)
                : await http.PostAsync("/user/quiet/verify", UserRequests.Json(new { password = AttackTarget.Password }), ending);
            Count();
        }
    }
}
