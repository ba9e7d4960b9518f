using System.Diagnostics.Metrics;
using System.Threading.RateLimiting;
using Microsoft.Extensions.Options;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Passwords;

/// <summary>
/// Where passwords are hashed: a few requests at a time, each on its own thread, because a hash is slow by design and must not hold a pool
/// thread that reads need. A request that would wait too long is refused at once: in a longer queue, all would time out.
/// </summary>
internal sealed class HashLane : IDisposable
{
    // Bounds memory, however fast hashes are.
    private const int QueueLimit = 10_000;

    // The share of the latest request in the average.
    private const double Weight = 0.1;

    private readonly PasswordHasherOptions _options;
    private readonly TimeProvider _time;
    private readonly ConcurrencyLimiter _turns;

    // How long a request's hashes take; zero until the first one has been measured. Two threads may overwrite each other's update, which is as good.
    private TimeSpan _average;

    public HashLane(IOptions<PasswordHasherOptions> options, TimeProvider time, IMeterFactory meters)
    {
        (_options, _time) = (options.Value, time);
        _turns = new(new() { PermitLimit = _options.Concurrency, QueueLimit = QueueLimit, QueueProcessingOrder = QueueProcessingOrder.OldestFirst });
        meters.Create("UserSvc.Api").CreateObservableGauge("usersvc.password.queue.length", () => Waiting, "{request}", "Requests waiting to hash");
    }

    public long Waiting => _turns.GetStatistics()!.CurrentQueuedCount;

    /// <summary>For requests that will hash: refuses them before they cost anything.</summary>
    /// <exception cref="UnavailableException">The wait would be longer than <see cref="PasswordHasherOptions.MaxWait"/>.</exception>
    public void ThrowIfFull()
    {
        var turns = _turns.GetStatistics()!;
        if (turns.CurrentAvailablePermits == 0 && _average * (turns.CurrentQueuedCount + _options.Concurrency) / _options.Concurrency > _options.MaxWait)
        {
            throw Full();
        }
    }

    /// <param name="work">All hashes of a request: it must not be refused when half of its work is done.</param>
    /// <param name="cancellationToken">Withdraws the work if it has not begun.</param>
    /// <exception cref="UnavailableException">The wait would be, or was, too long.</exception>
    public async Task<T> RunAsync<T>(Func<T> work, CancellationToken cancellationToken)
    {
        ThrowIfFull();
        var entered = _time.GetTimestamp();
        using var turn = await _turns.AcquireAsync(1, cancellationToken);
        var began = _time.GetTimestamp();
        // If hashes suddenly take longer, those that wait already must not all time out.
        if (!turn.IsAcquired || _time.GetElapsedTime(entered, began) > 2 * _options.MaxWait)
        {
            throw Full();
        }

        var result = await Task.Factory.StartNew(work, cancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        var took = _time.GetElapsedTime(began);
        _average = _average == TimeSpan.Zero ? took : _average + ((took - _average) * Weight);
        return result;
    }

    public void Dispose() => _turns.Dispose();

    private static UnavailableException Full() => new("Too many passwords are waiting to be hashed.", overloaded: true);
}
