using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using UserSvc.Api.Passwords;

namespace UserSvc.Tests.Api;

/// <summary>Twenty seconds of virtual time, or an instant. What is counted is the password checks that were let through.</summary>
public sealed class PasswordThrottleAttackTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task TwoAttackers_TenGuessesASecondEach_RefuseNoRightPassword()
    {
        var throttle = Throttle(new());
        await PassesAsync(throttle, "alice", "home", right: true);

        var passed = await AttackAsync(
            throttle,
            (100, _ => new("alice", "attacker 1")),
            (100, _ => new("alice", "attacker 2")),
            (1000, _ => new("alice", "home", Right: true)),
            (1000, i => new("alice", $"hotel {i}", Right: true)));

        // Each attacker has 5 guesses and one after 10 s.
        Assert.Equal([6, 6, 20, 20], passed);
    }

    [Fact]
    public async Task HundredAttackers_OneGuessASecondEach_RefuseNewAddressesOnly()
    {
        var throttle = Throttle(new());
        await PassesAsync(throttle, "alice", "home", right: true);

        var passed = await AttackAsync(
            throttle,
            (10, i => new("alice", $"attacker {i % 100}")),
            (1000, _ => new("alice", "home", Right: true)),
            (1000, i => new("alice", $"hotel {i}", Right: true)));

        // The name has 20 guesses and one per 2.5 s; the right password from a hotel passes before they are used up, in the first instant.
        Assert.Equal([27, 20, 1], passed);
    }

    [Fact]
    public async Task Sprayer_OnePasswordForAThousandNames_HasFiftyGuessesAndOneASecond()
    {
        var throttle = Throttle(new());
        await PassesAsync(throttle, "alice", "office", right: true);

        var passed = await AttackAsync(
            throttle,
            (20, i => new($"name {i}", "office")),
            (1000, _ => new("alice", "office", Right: true)),
            (1000, _ => new("bob", "home", Right: true)));

        Assert.Equal([69, 20, 20], passed);
    }

    [Fact]
    public async Task RightPasswords_OfAHundredNamesFromOneAddress_CostNothing()
    {
        var throttle = Throttle(new() { NamesPerAddress = 1 });

        var passed = await AttackAsync(throttle, (200, i => new($"name {i}", "office", Right: true)));

        Assert.Equal([100], passed);
    }

    [Fact]
    public async Task RightPassword_OfTheAttackersOwn_GivesItNoMoreGuesses()
    {
        var throttle = Throttle(new());

        var passed = await AttackAsync(
            throttle,
            (100, _ => new("alice", "attacker")),
            (20, i => new($"name {i}", "attacker")),
            (100, _ => new("mallory", "attacker", Right: true)));

        Assert.Equal(69, passed[0] + passed[1]);
    }

    [Fact]
    public async Task RetryAfter_OfSeveralEmptyCounts_IsTheLongest()
    {
        var throttle = Throttle(new() { Burst = 1, AddressesPerName = 2, NamesPerAddress = 5 });
        foreach (var name in (string[])["alice", "bob", "carol", "dave", "erin"])
        {
            await FailAsync(throttle, name, "attacker");
        }

        await FailAsync(throttle, "alice", "another attacker");

        Assert.Equal(
            new double[] { 10, 2, 5, 0 },
            new[]
            {
                await FailAsync(throttle, "alice", "attacker"),
                await FailAsync(throttle, "frank", "attacker"),
                await FailAsync(throttle, "alice", "home"),
                await FailAsync(throttle, "frank", "home"),
            });
    }

    [Fact]
    public async Task Count_WhileASlowedAddressTriesOtherNames_IsRemembered()
    {
        var throttle = Throttle(new() { Burst = 1, Counts = 100 });
        await FailAsync(throttle, "alice", "home");

        for (var i = 0; i < 1000; i++)
        {
            await FailAsync(throttle, $"name {i}", "attacker");
        }

        Assert.Equal(10, await FailAsync(throttle, "alice", "home"));
    }

    [Theory]
    [InlineData(99, true)]
    [InlineData(100, false)]
    public async Task Success_OfTheUsualAddress_IsPushedOutByRightPasswordsOnly(int rightPasswords, bool passes)
    {
        var throttle = Throttle(new() { Burst = 1, AddressesPerName = 1, Counts = 100, Successes = 100 });
        await PassesAsync(throttle, "alice", "home", right: true);
        for (var i = 0; i < 1000; i++)
        {
            await FailAsync(throttle, $"name {i}", $"attacker {i}");
        }

        for (var i = 0; i < rightPasswords; i++)
        {
            await PassesAsync(throttle, "mallory", $"attacker {i}", right: true);
        }

        await FailAsync(throttle, "alice", "attacker");
        Assert.Equal(passes, await PassesAsync(throttle, "alice", "home", right: true));
    }

    [Fact]
    public async Task Created_ByAnAddressThatGuessedBefore_StartsAfreshAndKeepsAWayIn()
    {
        var throttle = Throttle(new() { Burst = 1, AddressesPerName = 1 });
        await FailAsync(throttle, "alice", "home");

        throttle.Created("alice", "home");
        await FailAsync(throttle, "alice", "attacker");

        Assert.Equal((true, false), (await PassesAsync(throttle, "alice", "home", right: true), await PassesAsync(throttle, "alice", "hotel", right: true)));
    }

    [Fact]
    public async Task Forget_AName_ForgetsItsFailuresAndSuccessesOnly()
    {
        var throttle = Throttle(new() { Burst = 1, AddressesPerName = 1 });
        await PassesAsync(throttle, "alice", "home", right: true);
        await FailAsync(throttle, "alice", "attacker");
        await FailAsync(throttle, "bob", "attacker");

        throttle.Forget("alice");

        Assert.Equal(
            new double[] { 0, 10, 10 },
            new[] { await FailAsync(throttle, "alice", "attacker"), await FailAsync(throttle, "alice", "home"), await FailAsync(throttle, "bob", "attacker") });
    }

    [Fact]
    public async Task Forget_WhileAnAttemptIsInProgress_ForgetsItToo()
    {
        var throttle = Throttle(new() { Burst = 1 });
        var (attempt, _) = await throttle.EnterAsync("alice", "home", TestContext.Current.CancellationToken);
        var waiting = throttle.EnterAsync("alice", "home", TestContext.Current.CancellationToken);

        throttle.Forget("alice");
        attempt!.Fail();
        attempt.Dispose();

        Assert.NotNull((await waiting).Attempt);
    }

    private PasswordThrottle Throttle(PasswordThrottleOptions options) => new(Options.Create(options), Options.Create(new PasswordHasherOptions()), _time);

    /// <summary>Every client sends an attempt per interval for 20 s, with 10 ms between instants.</summary>
    /// <returns>How many attempts of each client were let through.</returns>
    private async Task<int[]> AttackAsync(PasswordThrottle throttle, params (int Interval, Func<int, Check> Next)[] clients)
    {
        var passed = new int[clients.Length];
        for (var milliseconds = 0; milliseconds < 20_000; milliseconds += 10)
        {
            for (var i = 0; i < clients.Length; i++)
            {
                if (milliseconds % clients[i].Interval == 0)
                {
                    var (name, address, right) = clients[i].Next(milliseconds / clients[i].Interval);
                    passed[i] += await PassesAsync(throttle, name, address, right) ? 1 : 0;
                }
            }

            _time.Advance(TimeSpan.FromMilliseconds(10));
        }

        return passed;
    }

    private static async Task<bool> PassesAsync(PasswordThrottle throttle, string name, string address, bool right)
    {
        if (!right)
        {
            return await FailAsync(throttle, name, address) == 0;
        }

        var (attempt, _) = await throttle.EnterAsync(name, address, TestContext.Current.CancellationToken);
        attempt?.Succeed();
        attempt?.Dispose();
        return attempt is not null;
    }

    // The seconds to wait: 0 when the attempt was let through.
    private static async Task<double> FailAsync(PasswordThrottle throttle, string name, string address)
    {
        var (attempt, retryAfter) = await throttle.EnterAsync(name, address, TestContext.Current.CancellationToken);
        attempt?.Fail();
        attempt?.Dispose();
        return retryAfter.TotalSeconds;
    }

    private sealed record Check(string Name, string Address, bool Right = false);
}
