using System.Net.Http.Headers;
using System.Text;
using CsCheck;
using UserSvc.Tests.Edge;

namespace UserSvc.Tests.Contract;

/// <summary>The service behind its edge keeps what docs/openapi.json promises.</summary>
public sealed class ContractTests(PostgresFixture postgres)
{
    /// <summary>Sends the same 300 requests each time. CsCheck_Time=120 goes on with others for that many seconds.</summary>
    [Fact]
    public async Task Answers_ToRequestsMadeFromTheDocument_AreInTheDocument()
    {
        await using var api = new ApiInstance(
            await postgres.CreateDatabaseAsync(),
            ("Passwords:MemoryKiB", "8192"), ("Passwords:Passes", "1"), ("PasswordThrottle:Pause", "00:00:00.100"));
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", (await api.ReadyAsync()).BaseAddress!.OriginalString)]);
        await Eventually.HoldsAsync(async () => (await edge.Health.GetAsync("/ready", TestContext.Current.CancellationToken)).IsSuccessStatusCode);
        var description = new OpenApiDescription();
        var successes = new HashSet<string>();

        await new ContractRequests(description).All.Array[300].SampleAsync(async requests =>
        {
            foreach (var request in requests)
            {
                using var answer = await SendAsync(edge, request);
                var status = (int)answer.StatusCode;
                var fault = status >= 500 ? "the service failed"
                    : request.IsValid && status is 400 or 413 or 415 ? "refused although valid"
                    // Whether such a user exists, or a condition holds, may only matter to a valid request.
                    : !request.IsValid && status is < 400 or 404 or 409 or 412 ? "accepted although invalid"
                    : await description.FindFaultAsync(request.Operation, answer);
                if (fault is not null)
                {
                    Assert.Fail($"{fault}: {request.Operation.Method} {request.Target} {string.Join(' ', request.Headers)} {request.ContentType} {request.Body}\n{answer}\n{await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken)}");
                }

                if (status < 300)
                {
                    successes.Add(request.Operation.ToString());
                }
            }
        }, seed: Check.Seed ?? "000000000000", iter: 1, threads: 1, print: _ => "");

        Assert.Equal(description.Operations.Select(o => o.ToString()).Order(), successes.Order());
    }

    private static async Task<HttpResponseMessage> SendAsync(EdgeHost edge, ContractRequest request)
    {
        // An ordinary Uri would unescape and shorten the target.
        var uri = new Uri(edge.Public.BaseAddress!.GetLeftPart(UriPartial.Authority) + request.Target, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        using var message = new HttpRequestMessage(new(request.Operation.Method), uri);
        if (request.Body is { } body)
        {
            message.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) { Headers = { ContentType = MediaTypeHeaderValue.Parse(request.ContentType!) } };
        }

        foreach (var (name, value) in request.Headers)
        {
            message.Headers.TryAddWithoutValidation(name, value);
        }

        return await edge.Public.SendAsync(message, TestContext.Current.CancellationToken);
    }
}
