using Microsoft.Extensions.Time.Testing;
using UserSvc.Edge.Resilience;

namespace UserSvc.Tests.Edge.Resilience;

public sealed class RetryBudgetTests
{
    private readonly FakeTimeProvider _time = new();

    [Theory]
    [InlineData(0, 20, 0, 0)]
    [InlineData(100, 20, 0, 20)]
    [InlineData(1_000, 20, 0, 200)]
    [InlineData(0, 20, 10, 100)]
    [InlineData(1_000, 20, 10, 300)]
    [InlineData(1_000, 0, 0, 0)]
    [InlineData(1, 1, 0, 1)]
    public void Retries_AfterSoManyRequests_AreAPercentageOfThemAndSomeASecond(int requests, int percent, int perSecond, int allowed)
    {
        var budget = new RetryBudget(_time);
        Add(budget, requests);

        Assert.Equal(allowed, Take(budget, percent, perSecond));
    }

    [Fact]
    public void Requests_OfTenSecondsAgo_CountNoMore()
    {
        var budget = new RetryBudget(_time);
        Add(budget, 100);
        _time.Advance(TimeSpan.FromSeconds(9));
        Add(budget, 50);
        var all = Take(budget, 20, 0);

        _time.Advance(TimeSpan.FromSeconds(1));
        var afterTheFirstHundred = Take(budget, 20, 0);
        _time.Advance(TimeSpan.FromSeconds(9));
        Add(budget, 50);
        var afterTheRetriesToo = Take(budget, 20, 0);

        Assert.Equal((30, 0, 10), (all, afterTheFirstHundred, afterTheRetriesToo));
    }

    [Theory]
    [InlineData(9, 20)]
    [InlineData(10, 0)]
    [InlineData(15, 0)]
    public void Requests_OlderThanNineSeconds_AreForgotten(int seconds, int allowed)
    {
        var budget = new RetryBudget(_time);
        Add(budget, 100);

        _time.Advance(TimeSpan.FromSeconds(seconds));

        Assert.Equal(allowed, Take(budget, percent: 20, perSecond: 0));
    }

    [Theory]
    [InlineData(9, 0)]
    [InlineData(10, 20)]
    [InlineData(15, 20)]
    public void Retries_OlderThanNineSeconds_AreForgotten(int seconds, int allowed)
    {
        var budget = new RetryBudget(_time);
        Take(budget, percent: 0, perSecond: 2);

        _time.Advance(TimeSpan.FromSeconds(seconds));

        Assert.Equal(allowed, Take(budget, percent: 0, perSecond: 2));
    }

    private static void Add(RetryBudget budget, int requests)
    {
        for (var i = 0; i < requests; i++)
        {
            budget.AddRequest();
        }
    }

    private static int Take(RetryBudget budget, int percent, int perSecond)
    {
        var taken = 0;
        while (taken < 10_000 && budget.TryTake(percent, perSecond))
        {
            taken++;
        }

        return taken;
    }
}
