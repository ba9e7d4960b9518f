using System.Net.Sockets;
using Npgsql;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Database;

/// <summary>
/// Tells a database outage from a bug in our own code. While the database is down, every request is refused at once instead of
/// waiting for a timeout, and a probe looks for the database every <see cref="ProbeInterval"/>.
/// </summary>
/// <remarks>
/// The probe runs in the background, not on the next request: a proxy that ejected this instance sends none, and the first requests
/// after the ejection would fail and extend it.
/// </remarks>
internal sealed partial class DatabaseOutage(NpgsqlDataSource dataSource, TimeProvider time, ILogger<DatabaseOutage> logger) : BackgroundService
{
    private static readonly TimeSpan ProbeInterval = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LogInterval = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _lost = new(0);
    private bool _isDown;
    private int _generation;
    // A timestamp; 0 before an outage is first logged.
    private long _nextLogAt;

    /// <summary>True from the first failure to reach the database until it is reached again.</summary>
    public bool IsDown => Volatile.Read(ref _isDown);

    /// <summary>Changes whenever the connections opened so far must no longer be used.</summary>
    public int Generation => Volatile.Read(ref _generation);

    /// <summary>Connection failures, timeouts, a server that is starting, stopping, full or rejecting us, and a schema that does not exist yet.</summary>
    public static bool IsOutage(Exception exception) => exception switch
    {
        PostgresException answer => IsUnreachable(answer) || answer.SqlState[..2] is "28" or "53"
            || answer.SqlState is PostgresErrorCodes.ReadOnlySqlTransaction or PostgresErrorCodes.InvalidCatalogName or PostgresErrorCodes.UndefinedTable,
        // Npgsql does not wrap the SocketException of a host name that does not resolve.
        NpgsqlException or TimeoutException or SocketException => true,
        _ => false,
    };

    /// <exception cref="UnavailableException">The database is down.</exception>
    public void ThrowIfDown()
    {
        if (IsDown)
        {
            throw Unavailable(null);
        }
    }

    /// <summary>Runs <paramref name="call"/> unless the database is down, and records whether the call reached it.</summary>
    /// <param name="call">Opens its connection itself, so that a second run gets a new one.</param>
    /// <param name="argument">Passed to <paramref name="call"/>.</param>
    /// <param name="mayRepeat">Whether to run it once more if its connection dates from before a restart of the server.</param>
    /// <exception cref="UnavailableException">The database is down, or went down during the call.</exception>
    public async Task<TResult> GuardAsync<TArgument, TResult>(Func<TArgument, Task<TResult>> call, TArgument argument, bool mayRepeat)
    {
        ThrowIfDown();
        var generation = Generation;
        while (true)
        {
            try
            {
                var result = await call(argument);
                Recovered();
                return result;
            }
            catch (Exception e) when (mayRepeat && MayBeStale(e))
            {
                mayRepeat = false;
                dataSource.Clear();
            }
            catch (Exception e) when (IsOutage(e))
            {
                Report(e, generation);
                throw Unavailable(e);
            }
        }
    }

    public void Recovered()
    {
        if (IsDown && Interlocked.Exchange(ref _isDown, false))
        {
            Volatile.Write(ref _nextLogAt, 0);
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
                await ProbeAsync(stoppingToken);
            }
        }
    }

    private async Task ProbeAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var command = dataSource.CreateCommand("SELECT 1");
            await command.ExecuteScalarAsync(cancellationToken);
            Recovered();
        }
        catch (PostgresException answer) when (!IsOutage(answer))
        {
            // The server is running. If anything else is wrong with it, requests will find out.
            Recovered();
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            // Every exception, because one that escapes would stop the host. Connections pooled since the last probe are just as dead.
            AbandonConnections();
        }
    }

    private void Report(Exception exception, int generation)
    {
        if (generation != Generation)
        {
            // Already reported, and perhaps over: a timeout on an older connection says nothing new.
            return;
        }

        if (IsUnreachable(exception))
        {
            if (!Interlocked.Exchange(ref _isDown, true))
            {
                _lost.Release();
            }

            // The pooled connections of a dead server would otherwise fail one by one.
            AbandonConnections();
        }
        else if (exception is PostgresException { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction })
        {
            // The pooled connections lead to a primary that has become a standby.
            AbandonConnections();
        }

        var logAt = Volatile.Read(ref _nextLogAt);
        var now = time.GetTimestamp();
        if (now >= logAt && Interlocked.CompareExchange(ref _nextLogAt, now + (long)(LogInterval.TotalSeconds * time.TimestampFrequency), logAt) == logAt)
        {
            LogAway(logger, exception);
        }
    }

    private void AbandonConnections()
    {
        Interlocked.Increment(ref _generation);
        dataSource.Clear();
        // Npgsql caches host roles for 10 s and would still treat the promoted standby as a standby.
        (dataSource as NpgsqlMultiHostDataSource)?.ClearDatabaseStates();
    }

    // A timeout does not mean a stale connection: the server would only be slow again.
    private static bool MayBeStale(Exception exception) => exception is NpgsqlException { InnerException: not TimeoutException } && IsUnreachable(exception);

    // Class 08 is connection failure, 57P operator intervention (the server stops, starts or has crashed). Any other answer comes from a running server.
    private static bool IsUnreachable(Exception exception) =>
        exception is not PostgresException answer || answer.SqlState.StartsWith("08", StringComparison.Ordinal) || answer.SqlState.StartsWith("57P", StringComparison.Ordinal);

    private static UnavailableException Unavailable(Exception? cause) => new("The database is not available.", inner: cause);

    [LoggerMessage(Level = LogLevel.Error, Message = "The database is not available; requests that need it get 503 (logged at most once a minute)")]
    private static partial void LogAway(ILogger logger, Exception exception);

    [LoggerMessage(Level = LogLevel.Information, Message = "The database is back")]
    private static partial void LogBack(ILogger logger);
}
