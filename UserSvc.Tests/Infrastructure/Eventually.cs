using System.Diagnostics;
using System.Runtime.CompilerServices;

namespace UserSvc.Tests.Infrastructure;

/// <summary>Waits for what happens in its own time: asks again until it holds, or fails at the deadline (30 s unless told otherwise).</summary>
internal static class Eventually
{
    private static readonly TimeSpan DefaultDeadline = TimeSpan.FromSeconds(30);

    public static async Task HoldsAsync(
        Func<Task<bool>> condition,
        TimeSpan? deadline = null,
        CancellationToken? cancellationToken = null,
        [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        var limit = deadline ?? DefaultDeadline;
        var elapsed = Stopwatch.StartNew();
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(25));
        while (!await condition())
        {
            Assert.True(elapsed.Elapsed < limit, $"Did not hold within {limit.TotalSeconds:0} s: {what}");
            await tick.WaitForNextTickAsync(cancellationToken ?? TestContext.Current.CancellationToken);
        }
    }
}
