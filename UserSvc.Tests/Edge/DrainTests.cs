using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.Edge;

public sealed class DrainTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Stop_WithARequestInFlight_FailsReadinessServesOnForTheDrainTimeAndLosesNoRequest()
    {
        var arrived = new TaskCompletionSource();
        var release = new TaskCompletionSource();
        await using var upstream = await Upstream.StartAsync(answer: async context =>
        {
            if (context.Request.Path == "/user/slow")
            {
                arrived.SetResult();
                await release.Task;
            }
        });
        var time = new FakeTimeProvider();
        await using var edge = await EdgeHost.ReadyAsync(time, [upstream], ("Drain:Time", "00:00:05"));
        var inFlight = edge.Public.AskAsync("/user/slow");
        await arrived.Task;

        var stopping = edge.StopAsync();
        await Eventually.HoldsAsync(async () => await edge.Health.AskAsync("/health") == EdgeAnswers.Problem(503, "unavailable", "drain: draining"));
        using var whileDraining = await edge.Public.GetAsync("/user/alice", TestContext.Current.CancellationToken);
        time.Advance(TimeSpan.FromSeconds(4.9));
        var alive = await edge.Health.AskAsync("/alive");
        time.Advance(TimeSpan.FromSeconds(0.1));
        await Eventually.HoldsAsync(async () => await Record.ExceptionAsync(() => edge.Health.AskAsync("/alive")) is HttpRequestException);
        release.SetResult();
        await stopping;

        Assert.Equal((new Answer(200, ""), true), (await Answer.ReadAsync(whileDraining), whileDraining.Headers.ConnectionClose));
        Assert.Equal(new Answer(200, "Healthy\n"), alive);
        Assert.Equal(new Answer(200, ""), await inFlight);
    }

    [Fact]
    public async Task Sigterm_WithAnIdleConnection_AnswersItsNextRequestAndAsksToClose()
    {
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await EdgeProcess.ReadyAsync(upstream, ("Drain:Time", "00:05:00"));
        using var connection = new TcpClient();
        await connection.ConnectAsync(IPEndPoint.Parse(edge.Public.BaseAddress!.Authority), Cancellation);
        var before = await AskAsync(connection);

        edge.Terminate();
        await Eventually.HoldsAsync(async () => (await edge.Health.AskAsync("/ready")).Status == 503);
        var draining = await AskAsync(connection);

        Assert.Equal(("HTTP/1.1 200 OK", false), before);
        Assert.Equal(("HTTP/1.1 200 OK", true), draining);
        Assert.Equal(0, await connection.GetStream().ReadAsync(new byte[1], Cancellation));
    }

    [Fact]
    public async Task Sigterm_WithABodyOnItsWay_TakesTheRestAndForwardsIt()
    {
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await EdgeProcess.ReadyAsync(upstream, ("Drain:Time", "00:00:00"), ("Kestrel:Limits:MinRequestBodyDataRate:GracePeriod", "00:01:00"));
        using var connection = new TcpClient();
        await connection.ConnectAsync(IPEndPoint.Parse(edge.Public.BaseAddress!.Authority), Cancellation);
        await connection.GetStream().WriteAsync("PUT /user/alice HTTP/1.1\r\nHost: edge\r\nContent-Length: 20000\r\n\r\n"u8.ToArray(), Cancellation);
        await connection.GetStream().WriteAsync(new byte[10000], Cancellation);

        edge.Terminate();
        await Eventually.HoldsAsync(async () => await Record.ExceptionAsync(() => edge.Health.AskAsync("/alive")) is HttpRequestException);
        await connection.GetStream().WriteAsync(new byte[10000], Cancellation);

        Assert.Equal(("HTTP/1.1 200 OK", true), await AnswerAsync(connection));
        Assert.Equal(20000, Assert.Single(upstream.Requests).BodyLength);
        Assert.Equal(0, await edge.ExitCodeAsync());
    }

    [Theory]
    [InlineData(Signals.Terminate)]
    [InlineData(Signals.Interrupt)]
    public async Task Signal_ComingAgain_CutsNothingShort(int signal)
    {
        var arrived = new TaskCompletionSource();
        var release = new TaskCompletionSource();
        await using var upstream = await Upstream.StartAsync(answer: async context =>
        {
            arrived.SetResult();
            await release.Task;
        });
        await using var edge = await EdgeProcess.ReadyAsync(upstream, ("Drain:Time", "00:00:00"));
        var inFlight = edge.Public.AskAsync("/user/slow");
        await arrived.Task;

        edge.Signal(signal);
        await Eventually.HoldsAsync(async () => await Record.ExceptionAsync(() => edge.Health.AskAsync("/alive")) is HttpRequestException);
        edge.Signal(signal);
        release.SetResult();

        Assert.Equal(new Answer(200, ""), await inFlight);
        Assert.Equal(0, await edge.ExitCodeAsync());
    }

    [Fact]
    public async Task Sigterm_WithARequestThatDoesNotEnd_CutsItAfterTheGraceAndExits()
    {
        var arrived = new TaskCompletionSource();
        await using var upstream = await Upstream.StartAsync(answer: async context =>
        {
            arrived.SetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        });
        await using var edge = await EdgeProcess.ReadyAsync(upstream, ("Drain:Time", "00:00:00"), ("Drain:Grace", "00:00:00.500"));
        var inFlight = edge.Public.AskAsync("/user/slow");
        await arrived.Task;

        edge.Terminate();

        await Assert.ThrowsAsync<HttpRequestException>(() => inFlight);
        Assert.Equal(0, await edge.ExitCodeAsync());
    }

    // Not until the listener closes: what then waits in the kernel's queue to be accepted, the kernel resets.
    [Fact]
    public async Task Sigterm_UnderNewConnections_AnswersEachOfThemDuringTheDrainTime()
    {
        await using var upstream = await Upstream.StartAsync();
        await using var edge = await EdgeProcess.ReadyAsync(upstream, ("Drain:Time", "00:05:00"));
        var address = IPEndPoint.Parse(edge.Public.BaseAddress!.Authority);
        var answers = new ConcurrentBag<(string, bool)>();
        using var enough = new CancellationTokenSource();

        var clients = Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            while (!enough.IsCancellationRequested)
            {
                using var connection = new TcpClient();
                await connection.ConnectAsync(address, Cancellation);
                answers.Add(await AskAsync(connection));
            }
        })).ToList();
        await Eventually.HoldsAsync(() => Task.FromResult(answers.Count > 200));
        edge.Terminate();
        await Eventually.HoldsAsync(() => Task.FromResult(answers.Count(a => a == ("HTTP/1.1 200 OK", true)) > 200));
        await enough.CancelAsync();
        await Task.WhenAll(clients);

        Assert.Equal([("HTTP/1.1 200 OK", false), ("HTTP/1.1 200 OK", true)], answers.Distinct().Order());
    }

    private static async Task<(string Status, bool Closes)> AskAsync(TcpClient connection)
    {
        await connection.GetStream().WriteAsync("GET /user/alice HTTP/1.1\r\nHost: edge\r\n\r\n"u8.ToArray(), Cancellation);
        return await AnswerAsync(connection);
    }

    /// <returns>The status line and whether the answer closes the connection. Its body, the upstream's name, is read with it.</returns>
    private static async Task<(string Status, bool Closes)> AnswerAsync(TcpClient connection)
    {
        var answer = new StringBuilder();
        var buffer = new byte[4096];
        // In chunks, or with a length: the name is the last of it that is not framing.
        while (!answer.ToString().TrimEnd('0', '\r', '\n').EndsWith("usersvc-1", StringComparison.Ordinal)
            || (answer.ToString().Contains("chunked", StringComparison.Ordinal) && !answer.ToString().EndsWith("0\r\n\r\n", StringComparison.Ordinal)))
        {
            if (await connection.GetStream().ReadAsync(buffer, Cancellation) is > 0 and var read)
            {
                answer.Append(Encoding.ASCII.GetString(buffer, 0, read));
            }
            else
            {
                return ($"cut after {answer.Length} bytes", true);
            }
        }

        return (answer.ToString().Split('\r')[0], answer.ToString().Contains("Connection: close", StringComparison.Ordinal));
    }
}
