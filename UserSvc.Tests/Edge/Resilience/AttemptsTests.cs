using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using UserSvc.Edge.Limits;
using UserSvc.Edge.Listeners;
using UserSvc.Edge.Resilience;
using UserSvc.Edge.Statistics;
using Yarp.ReverseProxy.Model;

namespace UserSvc.Tests.Edge.Resilience;

public sealed class AttemptsTests
{
    private readonly FakeTimeProvider _time = new();

    [Theory]
    [InlineData("Safe", "Reset", "Retry")]
    [InlineData("Idempotent", "GatewayError", "Retry")]
    [InlineData("Once", "Reset", "NotRepeatable")]
    [InlineData("Idempotent", "TimedOut", "NotRepeatable")]
    [InlineData("Safe", "Answered", "Final")]
    [InlineData("Safe", "Overloaded", "Final")]
    public void Attempt_WithThisOutcome_IsFollowedByAnotherOrSaysWhyNot(string request, string outcome, string expected)
    {
        var attempts = Begin(Enum.Parse<Repeatability>(request));

        attempts.Answer(Enum.Parse<AttemptOutcome>(outcome), upgraded: false);

        Assert.Equal(expected, attempts.Decision.ToString());
    }

    [Theory]
    [InlineData("Retry.Attempts", "1", 2, 0, "NoAttemptsLeft")]
    [InlineData("Retry.Attempts", "2", 1, 0, "NoOtherDestination")]
    [InlineData("Retry.Attempts", "2", 2, 15, "TimeUp")]
    [InlineData("Retry.Attempts", "2", 2, 14, "Retry")]
    [InlineData("Retry.BudgetPerSecond", "0", 2, 0, "BudgetSpent")]
    public void FailedAttempt_ThatNothingMayFollow_SaysWhy(string key, string value, int destinations, int seconds, string expected)
    {
        var attempts = Begin(Repeatability.Safe, destinations, null, (key, value));
        _time.Advance(TimeSpan.FromSeconds(seconds));

        attempts.Answer(AttemptOutcome.Reset, upgraded: false);

        Assert.Equal(expected, attempts.Decision.ToString());
    }

    [Theory]
    [InlineData(4, "Retry")]
    [InlineData(5, "BodyGone")]
    public async Task FailedAttempt_WhoseBodyIsLongerThanWhatIsKept_CannotBeRepeated(int length, string expected)
    {
        using var body = new RequestBody(new MemoryStream(new byte[length]), null, new(Options.Create(new RequestBufferOptions()), new(Options.Create(new ClientOptions()))), client: null, limit: 4);
        var attempts = Begin(Repeatability.Idempotent, body: body);
        Assert.True(await body.ReadAheadAsync(TestContext.Current.CancellationToken));
        await body.CopyToAsync(Stream.Null, TestContext.Current.CancellationToken);

        attempts.Answer(AttemptOutcome.Reset, upgraded: false);

        Assert.Equal(expected, attempts.Decision.ToString());
    }

    private Attempts Begin(Repeatability request, int destinations = 2, RequestBody? body = null, params (string Key, string Value)[] metadata)
    {
        var settings = ClusterSettings.Read(metadata.ToDictionary(m => m.Key, m => m.Value));
        var attempts = new Attempts(new(_time), settings, request, body, TimeSpan.FromSeconds(15), _time);
        attempts.Begin([.. Enumerable.Range(1, destinations).Select(i => new DestinationState($"usersvc-{i}"))]);
        return attempts;
    }
}
