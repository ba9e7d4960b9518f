using System.Collections.Frozen;
using Npgsql;

namespace UserSvc.Api.Database;

/// <summary>
/// What each SQLSTATE means to this service: PostgreSQL's appendix A by class, the first two characters, and the exceptions by their whole
/// code. A state that is not here is a bug of ours.
/// </summary>
internal static class SqlStates
{
    private static readonly FrozenDictionary<string, (DatabaseFailure Failure, string? Advice)> Table = new Dictionary<string, (DatabaseFailure, string?)>
    {
        // Connection exception.
        ["08"] = (DatabaseFailure.Lost, null),
        // Character not in repertoire, untranslatable character: the rest of class 22 is ours, which checks its input first.
        ["22021"] = (DatabaseFailure.Unstorable, null),
        ["22P05"] = (DatabaseFailure.Unstorable, null),
        ["25006"] = (DatabaseFailure.Unable,
            "The database allows only reads. Is the server a standby, or is default_transaction_read_only set for the role or the database?"),
        // The time limits of a transaction and of an idle one.
        ["25P03"] = (DatabaseFailure.Lost, null),
        ["25P04"] = (DatabaseFailure.Contention, null),
        // Unknown prepared statement, prepared twice.
        ["26000"] = (DatabaseFailure.Rejected, NotPrepared),
        ["42P05"] = (DatabaseFailure.Rejected, NotPrepared),
        ["28"] = (DatabaseFailure.Rejected,
            "PostgreSQL rejects the login. Correct the user name or the password of ConnectionStrings:users, or allow the connection in pg_hba.conf."),
        ["3D"] = (DatabaseFailure.Rejected, "The database of ConnectionStrings:users does not exist. Create it, or correct the name."),
        // Transaction rollback. 40003 does not know whether the statement took effect.
        ["40"] = (DatabaseFailure.RolledBack, null),
        ["40003"] = (DatabaseFailure.Lost, null),
        ["42501"] = (DatabaseFailure.Rejected,
            "The role of ConnectionStrings:users lacks a privilege. GRANT it USAGE ON SCHEMA, SELECT, INSERT, UPDATE, DELETE ON users, and SELECT ON schema_versions."),
        ["42P01"] = (DatabaseFailure.Rejected, NoSchema),
        ["42703"] = (DatabaseFailure.Rejected, NoSchema),
        ["3F"] = (DatabaseFailure.Rejected, NoSchema),
        ["53"] = (DatabaseFailure.Unable, "PostgreSQL has run out of memory or disk."),
        ["53300"] = (DatabaseFailure.Unable, "PostgreSQL has no connection left. Raise max_connections, or lower Maximum Pool Size in ConnectionStrings:users."),
        ["55"] = (DatabaseFailure.Unable, "PostgreSQL does not accept this now. Is the database closed to connections?"),
        ["55P03"] = (DatabaseFailure.Contention, null),
        // Operator intervention: 57P is the server's end or the session's, the rest the statement's.
        ["57"] = (DatabaseFailure.Contention, null),
        ["57P01"] = (DatabaseFailure.Lost, null),
        ["57P02"] = (DatabaseFailure.Lost, null),
        ["57P03"] = (DatabaseFailure.Lost, null),
        ["57P04"] = (DatabaseFailure.Lost, null),
        ["57P05"] = (DatabaseFailure.Lost, null),
        ["58"] = (DatabaseFailure.Unable, ServerLog),
        // Snapshot too old.
        ["72"] = (DatabaseFailure.RolledBack, null),
        ["XX"] = (DatabaseFailure.Unable, ServerLog),
    }.ToFrozenDictionary();

    private const string NotPrepared =
        "A prepared statement is missing, or another connection's, as behind a pooler in transaction mode. Set Lookup:Prepare=false and leave Max Auto Prepare out of ConnectionStrings:users, or let the pooler track prepared statements.";

    private const string NoSchema = "The tables are not there. Has the search path changed, or were they dropped?";
    private const string ServerLog = "PostgreSQL has an internal error. Look at its log.";

    public static DatabaseFailure ToFailure(PostgresException answer) => Find(answer).Failure;

    /// <returns>What an operator can do about it; null where that is nothing.</returns>
    public static string? ToAdvice(PostgresException answer) => Find(answer).Advice;

    // pgbouncer has one state for all that it refuses, so only its words tell a mistake from an outage.
    private static (DatabaseFailure Failure, string? Advice) Find(PostgresException answer) => answer switch
    {
        { SqlState: PostgresErrorCodes.ProtocolViolation, MessageText: var words } when words.StartsWith("unsupported startup parameter", StringComparison.Ordinal) =>
            (DatabaseFailure.Rejected,
                $"The pooler does not take {words[(words.LastIndexOf(' ') + 1)..]}. Leave it out of ConnectionStrings:users and set it for the role: ALTER ROLE … SET."),
        { SqlState: PostgresErrorCodes.ProtocolViolation, MessageText: var words } when words.StartsWith("no such database", StringComparison.Ordinal) =>
            Find(PostgresErrorCodes.InvalidCatalogName),
        _ => Find(answer.SqlState),
    };

    private static (DatabaseFailure Failure, string? Advice) Find(string state) =>
        Table.TryGetValue(state, out var exception) ? exception : Table.GetValueOrDefault(state[..2]);
}
