using UserSvc.Edge.Discovery;

namespace UserSvc.Tests.Edge.Discovery;

public sealed class DnsSourceTests : IAsyncLifetime
{
    private const string Address = "dns+http://usersvc.test:8080";

    private readonly DnsServer _dns = new();
    private DnsOptions _options = null!;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("usersvc-dns-");

    public ValueTask InitializeAsync()
    {
        _dns.Names["usersvc.test"] = ["10.0.0.2", "10.0.0.1", "fd00::1"];
        return ValueTask.CompletedTask;
    }

    public ValueTask DisposeAsync()
    {
        _folder.Delete(recursive: true);
        return _dns.DisposeAsync();
    }

    [Fact]
    public async Task Name_WithRecordsOfBothFamilies_IsAnEndpointForEach()
    {
        await using var source = Start(Address);
        await source.PausedAsync();

        Assert.Equal(["10.0.0.1:8080", "10.0.0.2:8080", "[fd00::1]:8080"], source.Known);
    }

    [Theory]
    [InlineData(7, 7)]
    [InlineData(0, 1)]
    [InlineData(86_400, 30)]
    public async Task Name_WithATtl_IsLookedUpAgainAfterItWithinBounds(uint ttl, int pause)
    {
        _dns.Ttl = ttl;
        await using var source = Start(Address);

        Assert.Equal(TimeSpan.FromSeconds(pause), await source.PausedAsync());
    }

    [Fact]
    public async Task Name_WithOtherRecordsAtTheNextLookup_HasTheNewOnes()
    {
        await using var source = Start(Address);
        await source.PausedAsync();

        _dns.Names["usersvc.test"] = ["10.0.0.2", "10.0.0.3"];
        source.Advance(TimeSpan.FromSeconds(_dns.Ttl));
        await source.PausedAsync();

        Assert.Equal(["10.0.0.2:8080", "10.0.0.3:8080"], source.Known);
    }

    [Theory]
    [InlineData("NXDOMAIN", "usersvc.test has no address")]
    [InlineData("no record", "usersvc.test has no address")]
    [InlineData("SERVFAIL", "usersvc.test.: ServerFailure")]
    [InlineData("silence", "usersvc.test.: ConnectionTimeout")]
    public async Task Failure_AfterAnAnswer_KeepsTheEndpointsRaisesTheAgeAndIsLoggedOnce(string failure, string reason)
    {
        await using var source = Start(Address);
        var pause = await source.PausedAsync();
        var known = source.Known!.ToList();

        Fail(failure);
        source.Advance(pause);
        var backoffs = new[] { await source.PassAsync(), await source.PassAsync(), await source.PausedAsync() };
        var (kept, age, failures) = (source.Known!.ToList(), source.Source.Age, source.Failures);
        Fail("no more");
        source.Advance(backoffs[2]);
        await source.PausedAsync();

        Assert.Equal(["10.0.0.1:8080", "10.0.0.2:8080", "[fd00::1]:8080"], known);
        Assert.Equal(known, kept);
        Assert.Equal((pause + backoffs[0] + backoffs[1], 3), (age, failures));
        Assert.All(backoffs.Zip([0.5, 1.0, 2.0]), b => Assert.InRange(b.First.TotalSeconds, b.Second / 2, b.Second));
        Assert.StartsWith($"Warning: Discovery: {Address} fails; its last known 3 endpoints stay in use: {reason}", source.Log.First(), StringComparison.Ordinal);
        Assert.Equal(["Information: Discovery: " + Address + " answers again, after 3 failures"], source.Log.Skip(1));
    }

    [Theory]
    [InlineData("AAAA", DnsServer.ServerFailure, "10.0.0.1:8080", "10.0.0.2:8080")]
    [InlineData("AAAA", DnsServer.NotImplemented, "10.0.0.1:8080", "10.0.0.2:8080")]
    [InlineData("AAAA", DnsServer.Refused, "10.0.0.1:8080", "10.0.0.2:8080")]
    [InlineData("AAAA", DnsServer.Silence, "10.0.0.1:8080", "10.0.0.2:8080")]
    [InlineData("A", DnsServer.ServerFailure, "[fd00::1]:8080")]
    [InlineData("A", DnsServer.Silence, "[fd00::1]:8080")]
    public async Task Family_ThatFails_DoesNotHideTheOther(string type, int failure, params string[] found)
    {
        _dns.Failure = (_, asked) => asked == type ? failure : null;
        await using var source = Start(Address, o => o.Dns.Timeout = failure == DnsServer.Silence ? TimeSpan.FromSeconds(0.1) : o.Dns.Timeout);

        // On a busy machine the answer for the other family, too, may miss the short timeout.
        await Eventually.HoldsAsync(async () =>
        {
            await source.PassAsync();
            return source.Known is not null;
        });
        Assert.Equal(found, source.Known);
    }

    [Fact]
    public async Task Family_ThatFailsAfterAnAnswer_KeepsItsAddresses()
    {
        await using var source = Start(Address);
        await source.PausedAsync();

        _dns.Failure = (_, asked) => asked == "AAAA" ? DnsServer.ServerFailure : null;
        _dns.Names["usersvc.test"] = ["10.0.0.3"];
        source.Advance(TimeSpan.FromSeconds(_dns.Ttl));
        await source.PausedAsync();

        Assert.Equal(["10.0.0.3:8080", "[fd00::1]:8080"], source.Known);
        Assert.Equal(0, source.Failures);
    }

    [Fact]
    public async Task Family_WithoutRecordsWhileTheOtherFails_IsAFailure()
    {
        _dns.Names["usersvc.test"] = ["fd00::1"];
        _dns.Failure = (_, asked) => asked == "AAAA" ? DnsServer.Refused : null;
        await using var source = Start(Address);
        await source.PausedAsync();

        Assert.Null(source.Known);
        Assert.Equal([$"Warning: Discovery: {Address} fails; its last known 0 endpoints stay in use: usersvc.test.: Refused"], source.Log);
    }

    [Theory]
    [InlineData("V4Only", "10.0.0.1 fd00::1", "10.0.0.1:8080", 1)]
    [InlineData("V6Only", "10.0.0.1 fd00::1", "[fd00::1]:8080", 1)]
    [InlineData("V4Preferred", "10.0.0.1 fd00::1", "10.0.0.1:8080", 2)]
    [InlineData("V4Preferred", "fd00::1", "[fd00::1]:8080", 2)]
    public async Task Family_AsConfigured_DecidesWhichAddressesAreEndpoints(string family, string records, string found, int queries)
    {
        _dns.Names["usersvc.test"] = records.Split(' ');
        await using var source = Start(Address, o => o.Dns.Family = Enum.Parse<DnsFamily>(family));
        await source.PausedAsync();

        Assert.Equal([found], source.Known);
        Assert.Equal(queries, _dns.Asked.Count);
    }

    [Theory]
    [InlineData("All", "127.0.0.1:8080", "[::1]:8080")]
    [InlineData("V6Only", "[::1]:8080")]
    [InlineData("V4Preferred", "127.0.0.1:8080")]
    public async Task Family_AsConfigured_HoldsForTheHostsFileToo(string family, params string[] found)
    {
        var hosts = await FileAsync("127.0.0.1 usersvc.test\n::1 usersvc.test\n");
        await using var source = Start(Address, o => (o.Dns.HostsFile, o.Dns.Family) = (hosts, Enum.Parse<DnsFamily>(family)));
        await source.PausedAsync();

        Assert.Equal(found, source.Known);
        Assert.Empty(_dns.Asked);
    }

    [Fact]
    public async Task Answer_ThatDoesNotFit_IsReadOverTcp()
    {
        _dns.Truncates = true;
        await using var source = Start(Address);
        await source.PausedAsync();

        Assert.Equal(["10.0.0.1:8080", "10.0.0.2:8080", "[fd00::1]:8080"], source.Known);
        Assert.Equal(2, _dns.AskedOverTcp);
    }

    [Fact]
    public async Task Server_WithoutEdns_IsAskedWithoutIt()
    {
        _dns.IsOld = true;
        await using var source = Start(Address);
        await source.PausedAsync();

        Assert.Equal(["10.0.0.1:8080", "10.0.0.2:8080", "[fd00::1]:8080"], source.Known);
    }

    [Theory]
    [InlineData(DnsServer.ServerFailure, "10.0.0.9:8080")]
    [InlineData(DnsServer.Refused, null)]
    public async Task SearchDomain_ThatFails_HidesTheNextOnlyIfNoServerAnswers(int failure, string? found)
    {
        _dns.Names["usersvc.svc.cluster.local"] = ["10.0.0.9"];
        _dns.Failure = (name, _) => name == "usersvc.corp.test" ? failure : null;
        var resolver = await FileAsync("search corp.test svc.cluster.local\noptions ndots:5\n");
        await using var source = Start("dns+http://usersvc:8080", o => o.Dns.ResolverFile = resolver);
        await source.PausedAsync();

        Assert.Equal(found is null ? null : [found], source.Known);
    }

    [Fact]
    public async Task ShortName_WithSearchDomains_IsFoundInTheFirstThatHasIt()
    {
        _dns.Names["usersvc.svc.cluster.local"] = ["10.0.0.9"];
        var resolver = await FileAsync("search users.svc.cluster.local svc.cluster.local\noptions timeout:1 ndots:5\n");
        await using var source = Start("dns+http://usersvc:8080", o => o.Dns.ResolverFile = resolver);
        await source.PausedAsync();

        Assert.Equal(["10.0.0.9:8080"], source.Known);
        Assert.Equal(["usersvc.users.svc.cluster.local", "usersvc.svc.cluster.local"], _dns.Asked.Distinct());
    }

    [Fact]
    public async Task Name_InTheHostsFile_IsNotLookedUp()
    {
        var hosts = await FileAsync("127.0.0.1 localhost # loopback\n10.0.0.7\tUserSvc.test usersvc\n");
        await using var source = Start(Address, o => o.Dns.HostsFile = hosts);
        await source.PausedAsync();

        Assert.Equal(["10.0.0.7:8080"], source.Known);
        Assert.Empty(_dns.Asked);
    }

    private TestSource Start(string address, Action<DiscoveryOptions>? configure = null) => new(address, o =>
    {
        _options = o.Dns;
        o.Dns.Server = _dns.EndPoint;
        o.Dns.ResolverFile = "/none";
        configure?.Invoke(o);
    });

    private void Fail(string how)
    {
        _dns.Failure = (_, _) => how == "SERVFAIL" ? DnsServer.ServerFailure : how == "silence" ? DnsServer.Silence : null;
        // Short only while the server is silent: a busy machine may need longer for an answer.
        _options.Timeout = how == "silence" ? TimeSpan.FromSeconds(0.1) : TimeSpan.FromMinutes(1);
        switch (how)
        {
            case "NXDOMAIN":
                _dns.Names.Clear();
                break;
            case "no record":
                _dns.Names["usersvc.test"] = [];
                break;
            default:
                _dns.Names["usersvc.test"] = ["10.0.0.2", "10.0.0.1", "fd00::1"];
                break;
        }
    }

    private async Task<string> FileAsync(string content)
    {
        var file = Path.Combine(_folder.FullName, "file");
        await File.WriteAllTextAsync(file, content, TestContext.Current.CancellationToken);
        return file;
    }
}
