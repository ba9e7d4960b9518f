using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
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

    /// <summary>The server undid the transaction because of another one. Nothing has happened: it can be sent again.</summary>
    RolledBack,

    /// <summary>The request holds a character that the database's encoding lacks.</summary>
    Unstorable,

    /// <summary>The server is running but cannot serve us now: it is full, read-only or broken.</summary>
    Unable,

    /// <summary>The server rejects us until an operator corrects the connection string, the role or the schema.</summary>
    Rejected,
}

internal static class DatabaseFailureExtensions
{
    public static DatabaseFailure ToDatabaseFailure(this Exception exception) => exception switch
    {
        PostgresException answer => SqlStates.ToFailure(answer),
        // Npgsql does not wrap the SocketException of a host name that does not resolve.
        TimeoutException or SocketException or NpgsqlException { InnerException: TimeoutException } => DatabaseFailure.NoAnswer,
        CryptographicException or NpgsqlException { InnerException: AuthenticationException or CryptographicException } => DatabaseFailure.Rejected,
        NpgsqlException => DatabaseFailure.Lost,
        _ => DatabaseFailure.None,
    };

    /// <returns>What an operator can do about it, without a value of the connection string; null where that is nothing.</returns>
    public static string? ToAdvice(this Exception exception) => exception switch
    {
        PostgresException answer => SqlStates.ToAdvice(answer),
        // .NET does not say which it is, because Npgsql checks the certificate in its own callback.
        NpgsqlException { InnerException: AuthenticationException } =>
            "PostgreSQL's certificate is refused. Root Certificate in ConnectionStrings:users must hold the CA that signed it and, unless SSL Mode is VerifyCA, Host must be a name in it.",
        SocketException { SocketErrorCode: SocketError.HostNotFound } => "The Host of ConnectionStrings:users is not known to DNS. Correct it.",
        // Everything that the network does has an inner exception: this is a server without TLS, or a password that is missing.
        NpgsqlException { InnerException: null } refusal => $"PostgreSQL cannot be used with ConnectionStrings:users: {refusal.Message}",
        CryptographicException or NpgsqlException { InnerException: CryptographicException } =>
            "The Root Certificate, SSL Certificate or SSL Key of ConnectionStrings:users is not a certificate or key in PEM, or they do not match.",
        // What Npgsql finds only while it connects: a way to log in that it lacks, settings that exclude each other.
        (ArgumentException or NotSupportedException or NotImplementedException) and { Source: nameof(Npgsql) } =>
            $"ConnectionStrings:users cannot be used: {exception.Message.TrimEnd('.')}.",
        NpgsqlException { InnerException: ArgumentException wrong } => $"ConnectionStrings:users cannot be used: {wrong.Message.TrimEnd('.')}.",
        _ => null,
    };
}
