using System.Net;
using Microsoft.Extensions.Options;
using UserSvc.Edge.Listeners;

namespace UserSvc.Tests.Edge;

public sealed class FairLimitTests
{
    private const int Max = 1024;

    private readonly FairLimit _limit = new();

    [Theory]
    [InlineData(1, 392, 632)]
    [InlineData(2, 256, 512)]
    [InlineData(4, 157, 399)]
    [InlineData(50, 18, 131)]
    public void Clients_ThatTakeAllTheyGetInTurn_HaveEqualSharesAndLeaveSomeToTheNext(int clients, int most, int free)
    {
        var held = new long[clients];
        for (var i = 0; i < Max * clients; i++)
        {
            held[i % clients] += _limit.Take((ulong)(i % clients), 1, Max) is null ? 1 : 0;
        }

        Assert.Equal((most, free), (held.Max(), Max - held.Sum()));
        Assert.True(held.Min() >= most - 1);
        Assert.Null(_limit.Take(99, 1, Max));
    }

    [Fact]
    public void Clients_ThatComeOneAfterTheOther_LeaveSomeToTheNextToo()
    {
        var held = Enumerable.Range(0, 50).Select(client => TakeAll((ulong)client)).ToList();

        Assert.Equal([392, 191, 109, 69, 46], held.Take(5));
        Assert.Equal((Max - 11, null), (_limit.Taken, _limit.Take(99, 1, Max)));
    }

    [Fact]
    public void Client_ThatMayTakeAll_IsLimitedByTheTotalOnly()
    {
        var all = Enumerable.Range(0, Max + 1).Select(_ => _limit.Take(null, 1, Max)).ToList();

        Assert.Equal([.. Enumerable.Repeat<Shortage?>(null, Max), Shortage.Total], all);
        Assert.Equal(Shortage.Total, _limit.Take(1, 1, Max));
    }

    [Fact]
    public void Share_ThatIsReturned_CanBeTakenAgain()
    {
        var first = TakeAll(1);
        var over = _limit.Take(1, 1, Max);
        _limit.Return(1, first);

        Assert.Equal((Shortage.Client, 0, first), (over, _limit.Taken, TakeAll(1)));
    }

    [Fact]
    public void Client_OverAndOver_AllocatesNothing()
    {
        TakeAndReturn();
        var before = GC.GetAllocatedBytesForCurrentThread();

        for (var i = 0; i < 1_000; i++)
        {
            TakeAndReturn();
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void TakeAndReturn()
        {
            _limit.Take(1, 1, Max);
            _limit.Return(1, 1);
        }
    }

    [Theory]
    [InlineData("10.0.0.1", "::ffff:10.0.0.1", true)]
    [InlineData("10.0.0.1", "10.0.0.2", false)]
    [InlineData("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true)]
    [InlineData("2001:db8:0:1::1", "2001:db8:0:2::1", false)]
    public void Addresses_OfOneClient_CountTogether(string one, string other, bool together) =>
        Assert.Equal(together, KeyOf(one, fairShares: true) == KeyOf(other, fairShares: true));

    [Theory]
    [InlineData("192.168.0.1", true)]
    [InlineData("::ffff:192.168.0.1", true)]
    [InlineData("10.0.0.1", false)]
    public void Address_OfATrustedProxyOrWithoutFairShares_MayTakeAll(string address, bool fairShares) => Assert.Null(KeyOf(address, fairShares));

    private static ulong? KeyOf(string address, bool fairShares) =>
        new TrustedProxies(Options.Create(new ClientOptions { TrustedProxies = ["192.168.0.0/16"], FairShares = fairShares })).ShareKey(IPAddress.Parse(address));

    private int TakeAll(ulong client)
    {
        var taken = 0;
        while (_limit.Take(client, 1, Max) is null)
        {
            taken++;
        }

        return taken;
    }
}
