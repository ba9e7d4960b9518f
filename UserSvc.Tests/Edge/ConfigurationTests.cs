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
    [InlineData("ftp://localhost")]
    [InlineData("/user")]
    public void Start_WithSomethingElseThanAnAddress_FailsAndNamesTheSetting(string address)
    {
        var failure = Record.Exception(() => UserSvc.Edge.Program.Build(EdgeHost.Arguments([(Destination, address)])));

        Assert.Equal($"{Destination} is not an address such as http://host:8080: {address}", failure?.Message);
    }

    [Theory]
    [InlineData("soon")]
    [InlineData("00:00:00")]
    [InlineData("-00:00:01")]
    public void Start_WithAConnectTimeoutThatIsNone_FailsAndNamesTheSetting(string timeout)
    {
        var failure = Record.Exception(() => UserSvc.Edge.Program.Build(
            EdgeHost.Arguments([(Destination, "http://localhost:8080"), ("ReverseProxy:Clusters:usersvc:Metadata:ConnectTimeout", timeout)])));

        Assert.Equal("Metadata:ConnectTimeout of the cluster usersvc is not a time span above zero.",
            Assert.Single(Assert.IsType<AggregateException>(failure?.InnerException).InnerExceptions).Message);
    }
}
