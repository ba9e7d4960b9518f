using System.Net.Sockets;
using Npgsql;
using UserSvc.Api.Database;

namespace UserSvc.Tests.Api;

public sealed class DatabaseFailureTests
{
    [Theory]
    [InlineData("08006", "Lost")]
    [InlineData("57P01", "Lost")]
    [InlineData("57P03", "Lost")]
    [InlineData("57P05", "Lost")]
    [InlineData("40001", "Contention")]
    [InlineData("40P01", "Contention")]
    [InlineData("55P03", "Contention")]
    [InlineData("57014", "Contention")]
    [InlineData("25006", "Rejected")]
    [InlineData("26000", "Rejected")]
    [InlineData("28P01", "Rejected")]
    [InlineData("3D000", "Rejected")]
    [InlineData("42P01", "Rejected")]
    [InlineData("42P05", "Rejected")]
    [InlineData("53300", "Rejected")]
    [InlineData("23505", "None")]
    [InlineData("42601", "None")]
    public void Answer_OfTheServer_IsTold(string sqlState, string expected) =>
        Assert.Equal(expected, $"{new PostgresException("", "ERROR", "ERROR", sqlState).ToDatabaseFailure()}");

    public static TheoryData<Exception, string> Failures => new()
    {
        { new NpgsqlException("", new IOException()), "Lost" },
        { new NpgsqlException("", new SocketException()), "Lost" },
        { new NpgsqlException("", new TimeoutException()), "NoAnswer" },
        { new TimeoutException(), "NoAnswer" },
        { new SocketException(), "NoAnswer" },
        { new InvalidOperationException(), "None" },
        { new OperationCanceledException(), "None" },
    };

    [Theory]
    [MemberData(nameof(Failures), DisableDiscoveryEnumeration = true)]
    public void Failure_OfTheClient_IsTold(Exception failure, string expected) => Assert.Equal(expected, $"{failure.ToDatabaseFailure()}");
}
