using System.Globalization;

namespace UserSvc.Tests.Edge.Direct;

public sealed class MixedRequestsTests
{
    private const int Requests = 10_000;

    private static readonly string[] Kinds = ["length", "chunked", "interim", "length", "close", "chunked", "cut", "more", "length", "silence"];

    // Clients leave in the middle, upstreams cut answers, send too much and close idle connections.
    [Fact]
    public async Task Answers_OfMixedRequestsOverSharedConnections_AreEachTheRequestsOwn()
    {
        await using var upstream = new MixedUpstream();
        await using var edge = await EdgeHost.StartAsync([("usersvc-1", upstream.Address)],
            ($"{EdgeHost.Probing}:Enabled", "false"), ($"{EdgeHost.Metadata}:Ejection.ConsecutiveFailures", "1000"), ("Edge:FairShares", "false"));

        var ended = new string[Requests];
        await Parallel.ForAsync(0, Requests, new ParallelOptions { MaxDegreeOfParallelism = 16, CancellationToken = TestContext.Current.CancellationToken },
            async (n, _) => ended[n] = await AskAsync(edge.Public, n));

        Assert.Equal([], ended.Select((end, n) => (n, end)).Where(request => !IsExpected(request.n, request.end)).Take(10));
    }

    private static bool IsExpected(int n, string end) => (Kinds[n % Kinds.Length], end) switch
    {
        ("silence", _) => end == "502",
        // The upstream closed the connection when this was on its way: only GET may be sent again.
        (_, "502") => !IsGet(n),
        ("cut", _) => end is "cut" or "left",
        (_, "left") => Leaves(n),
        _ => end == "own",
    };

    private static bool IsGet(int n) => n % 3 != 0;

    private static bool Leaves(int n) => n % 11 == 0;

    private static async Task<string> AskAsync(HttpClient client, int n)
    {
        using var request = new HttpRequestMessage(IsGet(n) ? HttpMethod.Get : n % 2 == 0 ? HttpMethod.Put : HttpMethod.Post, $"/user/{n}/{Kinds[n % Kinds.Length]}");
        var expected = MixedUpstream.Body(n);
        if (!IsGet(n))
        {
            expected = $"sent {expected}";
            request.Content = new StringContent(expected);
        }

        try
        {
            using var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, TestContext.Current.CancellationToken);
            if (Leaves(n) && response.IsSuccessStatusCode)
            {
                // Its connection ends with it if there is more to read.
                return "left";
            }

            var body = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
            return !response.IsSuccessStatusCode ? ((int)response.StatusCode).ToString(CultureInfo.InvariantCulture)
                : body == expected && response.Headers.GetValues("X-Number").Single() == n.ToString(CultureInfo.InvariantCulture) ? "own"
                : $"another's: {body[..Math.Min(body.Length, 20)]}";
        }
        catch (HttpRequestException)
        {
            return "cut";
        }
    }
}
