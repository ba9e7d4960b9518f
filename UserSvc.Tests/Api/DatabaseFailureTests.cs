using System.Net.Sockets;
using System.Security.Authentication;
using Npgsql;
using UserSvc.Api.Database;

namespace UserSvc.Tests.Api;

public sealed class DatabaseFailureTests
{
    [Theory]
    [InlineData("08006", "Lost")]
    [InlineData("22003", "None")]
    [InlineData("22021", "Unstorable")]
    [InlineData("22P05", "Unstorable")]
    [InlineData("23505", "None")]
    [InlineData("25006", "Unable")]
    [InlineData("25P03", "Lost")]
    [InlineData("25P04", "Contention")]
    [InlineData("26000", "Rejected")]
    [InlineData("28000", "Rejected")]
    [InlineData("28P01", "Rejected")]
    [InlineData("3D000", "Rejected")]
    [InlineData("3F000", "Rejected")]
    [InlineData("40001", "RolledBack")]
    [InlineData("40003", "Lost")]
    [InlineData("40P01", "RolledBack")]
    [InlineData("42501", "Rejected")]
    [InlineData("42601", "None")]
    [InlineData("42703", "Rejected")]
    [InlineData("42P01", "Rejected")]
    [InlineData("42P05", "Rejected")]
    [InlineData("53100", "Unable")]
    [InlineData("53300", "Unable")]
    [InlineData("55000", "Unable")]
    [InlineData("55P03", "Contention")]
    [InlineData("57014", "Contention")]
    [InlineData("57P01", "Lost")]
    [InlineData("57P03", "Lost")]
    [InlineData("57P05", "Lost")]
    [InlineData("58030", "Unable")]
    [InlineData("72000", "RolledBack")]
    [InlineData("XX001", "Unable")]
    public void Answer_OfTheServer_IsClassified(string sqlState, string expected) =>
        Assert.Equal(expected, $"{new PostgresException("", "ERROR", "ERROR", sqlState).ToDatabaseFailure()}");

    [Theory]
    [InlineData("unsupported startup parameter: options", "Rejected")]
    [InlineData("server login failed: FATAL password authentication failed", "Lost")]
    [InlineData("query_wait_timeout", "Lost")]
    public void Refusal_OfAPooler_IsToldByItsWords(string message, string expected) =>
        Assert.Equal(expected, $"{new PostgresException(message, "FATAL", "FATAL", "08P01").ToDatabaseFailure()}");

    [Fact]
    public void HostName_ThatDoesNotExist_IsAnOperatorsMistake()
    {
        Assert.Equal("The Host of ConnectionStrings:users is not known to DNS. Correct it.", new SocketException((int)SocketError.HostNotFound).ToAdvice());
        Assert.Null(new SocketException((int)SocketError.TryAgain).ToAdvice());
    }

    public static TheoryData<Exception, string> Failures => new()
    {
        { new NpgsqlException("", new IOException()), "Lost" },
        { new NpgsqlException("", new SocketException()), "Lost" },
        { new NpgsqlException("", new TimeoutException()), "NoAnswer" },
        { new NpgsqlException("", new AuthenticationException()), "Rejected" },
        { new TimeoutException(), "NoAnswer" },
        { new SocketException(), "NoAnswer" },
        { new InvalidOperationException(), "None" },
        { new OperationCanceledException(), "None" },
    };

    [Theory]
    [MemberData(nameof(Failures), DisableDiscoveryEnumeration = true)]
    public void Failure_OfTheClient_IsClassified(Exception failure, string expected) => Assert.Equal(expected, $"{failure.ToDatabaseFailure()}");
}
