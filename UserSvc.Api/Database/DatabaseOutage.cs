using System.Net.Sockets;
using Npgsql;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Database;

/// <summary>
/// Tells an outage of the database from an error of ours. While the database cannot be reached, it is tried once in each
/// <see cref="Pause"/>, and all requests are refused at once: none of them waits for a timeout of its own.
/// </summary>
/// <remarks>
/// That does not wait for a request. A proxy that has ejected this instance for its refusals sends none: the first ones after that would
/// find the database away still, and lengthen the ejection.
/// </remarks>
internal sealed partial class DatabaseOutage(NpgsqlDataSource dataSource, TimeProvider time, ILogger<DatabaseOutage> logger) : BackgroundService
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LogPause = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _lost = new(0);
    private bool _away;
    private int _losses;
    // A timestamp; 0 before the first record of an outage.
    private long _logAt;

    /// <summary>True from a failure to reach the database until it is reached again.</summary>
    public bool IsAway => Volatile.Read(ref _away);

    /// <summary>Changes whenever connections that were open are not to be used any more.</summary>
    public int Losses => Volatile.Read(ref _losses);

    /// <summary>Connection failures, timeouts, a server that starts, stops, refuses us or is full, and a schema that is not there yet.</summary>
    public static bool Is(Exception exception) => exception switch
    {
        PostgresException answer => IsUnreachable(answer) || answer.SqlState[..2] is "28" or "53"
            || answer.SqlState is PostgresErrorCodes.ReadOnlySqlTransaction or PostgresErrorCodes.InvalidCatalogName or PostgresErrorCodes.UndefinedTable,
        // Npgsql wraps no failure to resolve the host's name.
        NpgsqlException or TimeoutException or SocketException => true,
        _ => false,
    };

    /// <summary>
    /// Whether the connection may have been a dead one of a server that is back, so that a read may try once more. A timeout tells
    /// otherwise.
    /// </summary>
    public static bool MayBeStale(Exception exception) => exception is NpgsqlException { InnerException: not TimeoutException } && IsUnreachable(exception);

    /// <summary>Before anything is asked of the database.</summary>
    /// <returns>The <see cref="Losses"/>, to report a failure with.</returns>
    /// <exception cref="UnavailableException">It cannot be reached.</exception>
    public int ThrowIfAway()
    {
        if (IsAway)
        {
            throw Away(null);
        }

        return Losses;
    }

    /// <param name="exception">The failure.</param>
    /// <param name="losses">The <see cref="Losses"/> when it was begun.</param>
    /// <returns>What the caller gets.</returns>
    public UnavailableException Report(Exception exception, int losses)
    {
        if (losses != Losses)
        {
            // Another has reported this outage, which may be over: a timeout on a connection from before it says nothing new.
            return Away(exception);
        }

        if (IsUnreachable(exception))
        {
            if (!Interlocked.Exchange(ref _away, true))
            {
                _lost.Release();
            }

            // The pooled connections of a dead server would fail one by one.
            Forget();
        }
        else if (exception is PostgresException { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction })
        {
            // They lead to a primary that has become a standby.
            Forget();
        }

        var logAt = Volatile.Read(ref _logAt);
        if (time.GetTimestamp() >= logAt && Interlocked.CompareExchange(ref _logAt, After(LogPause), logAt) == logAt)
        {
            LogAway(logger, exception);
        }

        return Away(exception);
    }

    public void Recovered()
    {
        if (IsAway && Interlocked.Exchange(ref _away, false))
        {
            Volatile.Write(ref _logAt, 0);
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
            while (IsAway)
            {
                await Task.Delay(Pause, time, stoppingToken);
                await TryAsync(stoppingToken);
            }
        }
    }

    private async Task TryAsync(CancellationToken cancellationToken)
    {
        try
        {
            await using var command = dataSource.CreateCommand("SELECT 1");
            await command.ExecuteScalarAsync(cancellationToken);
            Recovered();
        }
        catch (PostgresException answer) when (!Is(answer))
        {
            // A server that runs; what is wrong with it, requests find out.
            Recovered();
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            // Away still, whatever it threw: this loop's end would be the process's. Connections pooled meanwhile are as dead.
            Forget();
        }
    }

    private void Forget()
    {
        Interlocked.Increment(ref _losses);
        dataSource.Clear();
        // Of several hosts Npgsql would take the promoted standby for a standby, for 10 s.
        (dataSource as NpgsqlMultiHostDataSource)?.ClearDatabaseStates();
    }

    // 08 connection, 57P operator intervention: the server stops, starts or has crashed. Any other answer is that of a server that runs.
    private static bool IsUnreachable(Exception exception) =>
        exception is not PostgresException answer || answer.SqlState.StartsWith("08", StringComparison.Ordinal) || answer.SqlState.StartsWith("57P", StringComparison.Ordinal);

    private static UnavailableException Away(Exception? cause) => new("The database is not available.", inner: cause);

    private long After(TimeSpan pause) => time.GetTimestamp() + (long)(pause.TotalSeconds * time.TimestampFrequency);

    [LoggerMessage(Level = LogLevel.Error, Message = "The database is not available; requests that need it get 503 until it is (told once a minute)")]
    private static partial void LogAway(ILogger logger, Exception exception);

    [LoggerMessage(Level = LogLevel.Information, Message = "The database is back")]
    private static partial void LogBack(ILogger logger);
}
