using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace UserSvc.Tests.Infrastructure;

/// <summary>Waits for what happens in its own time: asks again until it holds, or fails at the deadline, which only keeps a test from hanging.</summary>
internal static class Eventually
{
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(3);

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
