namespace UserSvc.Tests.Edge;

public sealed class ConfigurationTests
{
    private const string Destination = "ReverseProxy:Clusters:usersvc:Destinations:usersvc-1:Address";

    [Fact]
    public void Start_WithoutADestination_FailsAndNamesTheVariable()
    {
        var failure = Record.Exception(() => UserSvc.Edge.Program.Build(EdgeHost.Arguments([])));

        Assert.Equal(
            "The cluster usersvc has no destination. Set ReverseProxy__Clusters__usersvc__Destinations__<name>__Address, once for each instance, to an address such as http://host:8080.",
            failure?.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("localhost:8080")]
    [InlineData("/user")]
    public void Start_WithSomethingElseThanAnAddress_FailsAndNamesTheSetting(string address)
    {
        var failure = Record.Exception(() => UserSvc.Edge.Program.Build(EdgeHost.Arguments([(Destination, address)])));

        Assert.Equal($"{Destination} is not an address such as http://host:8080: {address}", failure?.Message);
    }

    [Fact]
    public void Start_WithASchemeThatIsNotKnown_FailsAndListsThoseThatAre()
    {
        var failure = Record.Exception(() => UserSvc.Edge.Program.Build(EdgeHost.Arguments([(Destination, "ftp://localhost")])));

        Assert.Equal(
            $"{Destination} has the scheme ftp, which is none of http, https, dns+http, dns+https, sds+http, k8s+http or k8s+https: ftp://localhost",
            failure?.Message);
    }

    [Theory]
    [InlineData("ConnectTimeout", "soon", "must be a time span from 00:00:00.0010000 to 00:01:00, not 'soon'")]
    [InlineData("ConnectTimeout", "00:00:00", "must be a time span from 00:00:00.0010000 to 00:01:00, not '00:00:00'")]
    [InlineData("Retry.Attempts", "-1", "must be a whole number from 1 to 10, not '-1'")]
    [InlineData("Panic.Threshold", "101", "must be a whole number from 0 to 100, not '101'")]
    [InlineData("Retry.Attempt", "2", "is unknown; there are CircuitBreaker.MaxRequests, CircuitBreaker.MaxRequestsPerDestination, ConnectTimeout, ConsecutiveFailuresHealthPolicy.Threshold, Ejection.ConsecutiveFailures, Ejection.MaxPercent, Ejection.MaxTime, Panic.Threshold, Probe.HealthyThreshold, Probe.UnhealthyThreshold, Retry.Attempts, Retry.BudgetPerSecond, Retry.BudgetPercent, Retry.TryTimeout, TransportFailureRateHealthPolicy.RateLimit")]
    public void Start_WithClusterMetadataThatIsNone_FailsAndNamesIt(string key, string value, string reason)
    {
        var failure = Record.Exception(() => UserSvc.Edge.Program.Build(
            EdgeHost.Arguments([(Destination, "http://localhost:8080"), ($"{EdgeHost.Metadata}:{key}", value)])));

        Assert.Equal($"Metadata:{key} {reason}, in the cluster usersvc.", failure?.Message);
    }
}
