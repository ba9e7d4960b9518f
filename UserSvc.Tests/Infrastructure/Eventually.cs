using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace UserSvc.Tests.Infrastructure;

/// <summary>Polls a condition until it holds.</summary>
internal static class Eventually
{
    /// <summary>Keeps a test from hanging. Generous, because a starved machine is not a fault.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromMinutes(5);

    public static async Task HoldsAsync(Func<Task<bool>> condition, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        var elapsed = Stopwatch.StartNew();
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(25));
        while (!await condition())
        {
            Assert.True(elapsed.Elapsed < Deadline, $"Did not hold within {Deadline.TotalMinutes:0} minutes: {what}");
            await tick.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }
    }
}
