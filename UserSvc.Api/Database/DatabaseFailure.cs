using System.Net.Sockets;
using Npgsql;

namespace UserSvc.Api.Database;

/// <summary>What an exception says about the database.</summary>
internal enum DatabaseFailure
{
    /// <summary>Nothing: a bug in our own code.</summary>
    None,

    /// <summary>The connection broke or was refused, or the server is starting or stopping.</summary>
    Lost,

    /// <summary>A timeout of ours, or a name that does not resolve. A slow machine looks the same as a database that is away.</summary>
    NoAnswer,

    /// <summary>The server gave up waiting: for another transaction, or at its own time limit.</summary>
    Contention,

    /// <summary>The server is running but rejects us: wrong credentials, full, read-only, or without our schema or prepared statements.</summary>
    Rejected,
}

internal static class DatabaseFailureExtensions
{
    public static DatabaseFailure ToDatabaseFailure(this Exception exception) => exception switch
    {
        PostgresException answer => FromSqlState(answer.SqlState),
        // Npgsql does not wrap the SocketException of a host name that does not resolve.
        TimeoutException or SocketException or NpgsqlException { InnerException: TimeoutException } => DatabaseFailure.NoAnswer,
        NpgsqlException => DatabaseFailure.Lost,
        _ => DatabaseFailure.None,
    };

    // PostgreSQL's appendix A. 57P is the server's end, the rest of class 57 the statement's; class 40 is a transaction that was rolled back.
    private static DatabaseFailure FromSqlState(string state) => state switch
    {
        ['0', '8', ..] or ['5', '7', 'P', ..] => DatabaseFailure.Lost,
        ['4', '0', ..] or ['5', '7', ..] or PostgresErrorCodes.LockNotAvailable => DatabaseFailure.Contention,
        ['2', '8', ..] or ['5', '3', ..] or PostgresErrorCodes.ReadOnlySqlTransaction or PostgresErrorCodes.InvalidCatalogName
            or PostgresErrorCodes.UndefinedTable or PostgresErrorCodes.InvalidSqlStatementName or PostgresErrorCodes.DuplicatePreparedStatement => DatabaseFailure.Rejected,
        _ => DatabaseFailure.None,
    };
}
