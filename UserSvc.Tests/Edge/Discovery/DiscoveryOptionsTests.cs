using Microsoft.Extensions.Configuration;
using UserSvc.Edge.Discovery;

namespace UserSvc.Tests.Edge.Discovery;

public sealed class DiscoveryOptionsTests
{
    [Theory]
    [InlineData("MaxBackoff", "00:00:00", "Edge:Discovery:MaxBackoff must be above zero and at most 1 h, not 00:00:00")]
    [InlineData("Sds:Timeout", "01:00:01", "Edge:Discovery:Sds:Timeout must be above zero and at most 1 h, not 01:00:01")]
    [InlineData("Dns:MinInterval", "00:01:00", "Edge:Discovery:Dns:MinInterval must not exceed Edge:Discovery:Dns:Interval")]
    [InlineData("Dns:Server", "dns.example", "Edge:Discovery:Dns:Server must be an IP address and a port, such as 127.0.0.1:5353, not dns.example")]
    [InlineData("Kubernetes:ApiServer", "kubernetes:6443", "Edge:Discovery:Kubernetes:ApiServer must be an address such as https://host:6443, not kubernetes:6443")]
    public void Errors_SettingOutOfRange_NameItAndItsValue(string key, string value, string error)
    {
        var options = new ConfigurationBuilder().AddInMemoryCollection([new(key, value)]).Build().Get<DiscoveryOptions>()!;

        Assert.Equal([error], options.Errors());
    }

    [Fact]
    public void Errors_AsShipped_AreNone() => Assert.Equal([], new DiscoveryOptions().Errors());
}
