using Npgsql;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Database;

/// <summary>
/// Decides whether the database is away. A failed call proves nothing: its connection may have been dead, or the machine too busy to notice the
/// answer. So the first failure is followed by one probe. If the probe fails, too, every request is refused at once instead of waiting for a
/// timeout, and further probes look for the database every <see cref="ProbeInterval"/>.
/// </summary>
/// <remarks>
/// Those run in the background, not on the next request: a proxy that ejected this instance sends none, and the first requests
/// after the ejection would fail and extend it.
/// </remarks>
internal sealed partial class DatabaseOutage(NpgsqlDataSource dataSource, TimeProvider time, ILogger<DatabaseOutage> logger) : BackgroundService
{
    private static readonly TimeSpan ProbeInterval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LogInterval = TimeSpan.FromMinutes(1);

    // Of a statement whose transaction the server rolled back because of another one.
    private const int MaxRepeats = 2;

    private readonly SemaphoreSlim _lost = new(0);
    private readonly Lock _gate = new();
    private Task<bool> _confirmation = Task.FromResult(true);
    private bool _isDown, _answered;
    private int _generation;
    // A timestamp.
    private long _nextLogAt = long.MinValue;

    /// <summary>True from a failure that a probe confirmed until the database is reached again.</summary>
    public bool IsDown => Volatile.Read(ref _isDown);

    /// <summary>Changes whenever the connections opened so far must no longer be used.</summary>
    public int Generation => Volatile.Read(ref _generation);

    /// <exception cref="UnavailableException">The database is down.</exception>
    public void ThrowIfDown()
    {
        if (IsDown)
        {
            throw Unavailable(null);
        }
    }

    /// <summary>Runs <paramref name="call"/> unless the database is down, and finds out why it failed.</summary>
    /// <param name="call">Opens its connection itself, so that a second run gets a new one.</param>
    /// <param name="argument">Passed to <paramref name="call"/>.</param>
    /// <param name="mayRepeat">Whether to run it once more if only its connection was dead.</param>
    /// <exception cref="UnavailableException">The database is down, went down during the call, or did not answer in time.</exception>
    /// <exception cref="BadHttpRequestException">The database cannot store what the request holds.</exception>
    public async Task<TResult> GuardAsync<TArgument, TResult>(Func<TArgument, Task<TResult>> call, TArgument argument, bool mayRepeat)
    {
        ThrowIfDown();
        for (var repeats = 0; ;)
        {
            try
            {
                var result = await call(argument);
                Recovered();
                return result;
            }
            catch (Exception e) when (e.ToDatabaseFailure() is var failure and not DatabaseFailure.None)
            {
                switch (failure)
                {
                    case DatabaseFailure.RolledBack when repeats < MaxRepeats:
                        repeats++;
                        break;
                    case DatabaseFailure.Unstorable:
                        throw new BadHttpRequestException("The database's encoding lacks a character of the request.", e);
                    case DatabaseFailure.Rejected or DatabaseFailure.Unable:
                        if (e is PostgresException { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction })
                        {
                            // The pooled connections lead to a primary that has become a standby.
                            AbandonConnections();
                        }

                        LogRarely(() => LogRejected(logger, e.ToAdvice() ?? e.Message));
                        throw Unavailable(e);
                    case DatabaseFailure.Lost or DatabaseFailure.NoAnswer when IsDown || !await ConfirmAsync(e):
                        throw Unavailable(e);
                    case DatabaseFailure.Lost when mayRepeat:
                        mayRepeat = false;
                        break;
                    case DatabaseFailure.Lost:
                        throw new UnavailableException("The connection to the database was lost.", inner: e);
                    default:
                        // Marked as overload: the same database would keep another instance waiting just as long.
                        LogRarely(() => LogSlow(logger, e));
                        throw new UnavailableException("The database did not answer in time.", overloaded: true, e);
                }
            }
        }
    }

    public void Recovered()
    {
        Volatile.Write(ref _answered, true);
        if (IsDown && Interlocked.Exchange(ref _isDown, false))
        {
            LogBack(logger);
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        _lost.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (true)
        {
            await _lost.WaitAsync(stoppingToken);
            while (IsDown)
            {
                await Task.Delay(ProbeInterval, time, stoppingToken);
                if (await dataSource.AnswersAsync(stoppingToken))
                {
                    Recovered();
                }
                else
                {
                    // Connections pooled since the last probe are just as dead.
                    AbandonConnections();
                }
            }
        }
    }

    /// <summary>One probe for all calls that fail at the same time. False if the database is away.</summary>
    private Task<bool> ConfirmAsync(Exception failure)
    {
        lock (_gate)
        {
            return _confirmation.IsCompleted ? _confirmation = ProbeAsync() : _confirmation;
        }

        async Task<bool> ProbeAsync()
        {
            Volatile.Write(ref _answered, false);
            // Any answer counts, not only the probe's, which may still wait for a connection of an exhausted pool.
            if (await dataSource.AnswersAsync(CancellationToken.None) || Volatile.Read(ref _answered))
            {
                return true;
            }

            Volatile.Write(ref _isDown, true);
            AbandonConnections();
            _lost.Release();
            LogAway(logger, failure);
            return false;
        }
    }

    private void AbandonConnections()
    {
        Interlocked.Increment(ref _generation);
        dataSource.Clear();
        // Npgsql caches host roles for 10 s and would still treat the promoted standby as a standby.
        (dataSource as NpgsqlMultiHostDataSource)?.ClearDatabaseStates();
    }

    // For what many requests meet at a time.
    private void LogRarely(Action log)
    {
        var logAt = Volatile.Read(ref _nextLogAt);
        var now = time.GetTimestamp();
        if (now >= logAt && Interlocked.CompareExchange(ref _nextLogAt, now + (long)(LogInterval.TotalSeconds * time.TimestampFrequency), logAt) == logAt)
        {
            log();
        }
    }

    private static UnavailableException Unavailable(Exception? cause) => new("The database is not available.", inner: cause);

    [LoggerMessage(Level = LogLevel.Error, Message = "The database is not available; requests that need it get 503")]
    private static partial void LogAway(ILogger logger, Exception exception);

    [LoggerMessage(Level = LogLevel.Error, Message = "The database does not serve this service; requests that need it get 503 (logged at most once a minute). {Reason}")]
    private static partial void LogRejected(ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A request waited too long for the database and got 503; the database answers others (logged at most once a minute)")]
    private static partial void LogSlow(ILogger logger, Exception exception);

    [LoggerMessage(Level = LogLevel.Information, Message = "The database is back")]
    private static partial void LogBack(ILogger logger);
}
