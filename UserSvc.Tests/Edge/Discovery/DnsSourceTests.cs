namespace UserSvc.Tests.Edge.Discovery;

public sealed class DnsSourceTests : IAsyncLifetime
{
    private const string Address = "dns+http://usersvc.test:8080";

    private readonly DnsServer _dns = new();
    private UserSvc.Edge.Discovery.DnsOptions _options = null!;
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
    [InlineData("silence", null)]
    public async Task Failure_AfterAnAnswer_KeepsTheEndpointsRaisesTheAgeAndIsLoggedOnce(string failure, string? reason)
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

    private TestSource Start(string address, Action<UserSvc.Edge.Discovery.DiscoveryOptions>? configure = null) => new(address, o =>
    {
        _options = o.Dns;
        o.Dns.Server = _dns.EndPoint;
        o.Dns.ResolverFile = "/none";
        configure?.Invoke(o);
    });

    private void Fail(string how)
    {
        _dns.Failing = how == "SERVFAIL";
        _dns.Silent = how == "silence";
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
