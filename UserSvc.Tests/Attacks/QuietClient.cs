using System.Diagnostics;
using System.Net.Security;

namespace UserSvc.Tests.Attacks;

/// <summary>
/// A client that does no harm: GETs from an address of its own, every tenth of them over a new connection. With a period each is sent when it is
/// due, whatever became of those before it; without one, after the answer to the one before.
/// </summary>
internal static class QuietClient
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    /// <param name="user">What it reads.</param>
    /// <param name="requests">Their number.</param>
    /// <param name="patience">How long it waits for an answer.</param>
    /// <param name="period">The time between two requests, for measurements: on a busy machine the answers fall behind, and the client takes as many
    /// connections as an attacker.</param>
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
            sent[i] = GetAsync(client, user, last: i % 10 == 9);
            if (period is not { } time)
            {
                await sent[i];
            }
            else if ((time * (i + 1)) - Stopwatch.GetElapsedTime(began) is var wait && wait > TimeSpan.Zero)
            {
                await Task.Delay(wait, Cancellation);
            }
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
