using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json.Nodes;
using UserSvc.Tests.Images;

namespace UserSvc.Tests.Api;

[Collection(typeof(TracedProcess))]
public sealed class AttemptNumberTests(PostgresFixture postgres)
{
    private static readonly string?[] Counts = [null, "1", "2", "99", "100", "0", "-2", " 2a", "2, 3"];

    [Fact]
    public async Task Span_OfARepeatedRequest_HasTheResendCount()
    {
        var spans = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == "Microsoft.AspNetCore",
            Sample = (ref _) => ActivitySamplingResult.AllData,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        await using var api = new ApiInstance(await postgres.CreateDatabaseAsync(), ("PasswordThrottle:Burst", "1000"));
        var client = await api.ReadyAsync();

        foreach (var count in Counts)
        {
            await SendAsync(client, count);
        }

        await Eventually.HoldsAsync(() => Task.FromResult(Verified().Count() == Counts.Length));
        Assert.Equal([null, null, 1, 98, null, null, null, null, null], Verified().Select(span => (int?)span.GetTagItem("http.request.resend_count")));

        IEnumerable<Activity> Verified() => spans.Where(span => span.GetTagItem("url.path") is "/user/alice/verify");
    }

    [Fact]
    public async Task LogLine_OfARepeatedRequest_HasTheAttempt()
    {
        await using var container = await ContainerProcess.UsersvcAsync(
            await postgres.CreateDatabaseAsync(), ("PasswordThrottle__Burst", "1000"), ("Audit__RefusalsPerSecond", "1000"));

        foreach (var count in Counts)
        {
            await SendAsync(container.Client, count);
        }

        await container.StopAsync();
        var attempts = container.Log.Select(line => JsonNode.Parse(line)!).Where(line => line["category"]!.GetValue<string>() == "UserSvc.Audit")
            .Select(line => line["attributes"]!["Attempt"]?.GetValue<int>());
        Assert.Equal([null, null, 2, 99, null, null, null, null, null], attempts);
    }

    private static async Task SendAsync(HttpClient client, string? count)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, "/user/alice/verify") { Content = UserRequests.Json(new { password = "a-wrong-guess" }) };
        if (count is not null)
        {
            request.Headers.TryAddWithoutValidation("x-envoy-attempt-count", count);
        }

        Assert.Equal(401, (await client.AnswerAsync(request)).Status);
    }
}
