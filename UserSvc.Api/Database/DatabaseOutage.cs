using Npgsql;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Database;

/// <summary>Tells an outage of the database from an error of ours, and logs its begin and its end once each.</summary>
internal sealed partial class DatabaseOutage(NpgsqlDataSource dataSource, ILogger<DatabaseOutage> logger)
{
    private int _down;

    /// <summary>Connection failures, timeouts, a server that starts, stops or is full, and a schema that is not there yet.</summary>
    public static bool Is(Exception exception) => exception switch
    {
        // 08 connection, 25006 a standby, 3D000/42P01 not created yet, 53 out of resources, 57P operator intervention.
        PostgresException { SqlState: var state } => state.StartsWith("08", StringComparison.Ordinal) || state.StartsWith("53", StringComparison.Ordinal)
            || state.StartsWith("57", StringComparison.Ordinal) || state is PostgresErrorCodes.ReadOnlySqlTransaction
                or PostgresErrorCodes.InvalidCatalogName or PostgresErrorCodes.UndefinedTable,
        NpgsqlException or TimeoutException => true,
        _ => false,
    };

    /// <summary>What the caller gets; pooled connections are dropped, since those of a dead server fail one by one.</summary>
    public UnavailableException Report(Exception exception)
    {
        if (Interlocked.Exchange(ref _down, 1) == 0)
        {
            LogDown(logger, exception);
        }

        dataSource.Clear();
        return new("The database is not available.", inner: exception);
    }

    public void Recovered()
    {
        if (_down == 1 && Interlocked.Exchange(ref _down, 0) == 1)
        {
            LogBack(logger);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The database is not available; requests that need it get 503 until it is back")]
    private static partial void LogDown(ILogger logger, Exception exception);

    [LoggerMessage(Level = LogLevel.Information, Message = "The database is back")]
    private static partial void LogBack(ILogger logger);
}
