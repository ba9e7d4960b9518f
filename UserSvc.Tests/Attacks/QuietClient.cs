using System.Diagnostics;
using System.Net.Security;

namespace UserSvc.Tests.Attacks;

/// <summary>
/// A client that does no harm: GETs from an address of its own, each sent when it is due, whatever became of those before it. Every tenth opens a
/// new connection.
/// </summary>
internal static class QuietClient
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <param name="user">What it reads.</param>
    /// <param name="requests">Their number; they are 20 ms apart unless told otherwise.</param>
    /// <param name="patience">How long it waits for an answer.</param>
    /// <param name="period">The time between two requests.</param>
    public static async Task<QuietReport> RunAsync(Uri user, int requests, TimeSpan patience, TimeSpan? period = null)
    {
        using var handler = new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) => await Loopback.ConnectAsync(3, 1, user.Port, cancellationToken),
            SslOptions = Loopback.Tls(SslApplicationProtocol.Http11),
        };
        using var client = new HttpClient(handler) { Timeout = patience };
        var sent = new Task<(TimeSpan Took, string Result)>[requests];
        var began = Stopwatch.GetTimestamp();
        for (var i = 0; i < requests; i++)
        {
            var wait = ((period ?? TimeSpan.FromMilliseconds(20)) * i) - Stopwatch.GetElapsedTime(began);
            await Task.Delay(wait > TimeSpan.Zero ? wait : TimeSpan.Zero, Cancellation);
            sent[i] = GetAsync(client, user, last: i % 10 == 9);
        }

        var answers = await Task.WhenAll(sent);
        double[] sorted = [.. answers.Select(a => a.Took.TotalMilliseconds).Order()];
        return new(requests, [.. answers.Select(a => a.Result).Where(r => r != "200")], sorted[requests / 2], sorted[(int)((requests - 1) * 0.99)]);
    }

    private static async Task<(TimeSpan, string)> GetAsync(HttpClient client, Uri user, bool last)
    {
        var began = Stopwatch.GetTimestamp();
        try
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, user) { Headers = { ConnectionClose = last } };
            using var response = await client.SendAsync(request, Cancellation);
            return (Stopwatch.GetElapsedTime(began), $"{(int)response.StatusCode}");
        }
        catch (HttpRequestException failure)
        {
            return (Stopwatch.GetElapsedTime(began), $"{failure.HttpRequestError}");
        }
        catch (OperationCanceledException) when (!Cancellation.IsCancellationRequested)
        {
            return (Stopwatch.GetElapsedTime(began), "no answer");
        }
    }
}

/// <summary>What it saw: the failed requests by their statuses or errors, and percentiles of all requests in ms.</summary>
internal sealed record QuietReport(int Requests, string[] Failures, double P50, double P99);
