using UserSvc.Edge.Discovery;

namespace UserSvc.Tests.Edge.Discovery;

public sealed class DestinationAddressTests
{
    public static TheoryData<string, object> Good => new()
    {
        { "http://usersvc:8080", new StaticAddress() },
        { "https://10.0.0.1/base?a=b", new StaticAddress() },
        { "dns+http://usersvc:8080", new DnsAddress("http", "usersvc", 8080) },
        { "dns+http://usersvc.users.svc.cluster.local.", new DnsAddress("http", "usersvc.users.svc.cluster.local.", 80) },
        { "dns+https://usersvc/", new DnsAddress("https", "usersvc", 443) },
        { "sds+http://sds:5000/usersvc", new SdsAddress(new("http://sds:5000/v1/registration/usersvc")) },
        { "k8s+http://usersvc/http", new KubernetesAddress("http", "usersvc", null, "http") },
        { "k8s+https://usersvc.users/https", new KubernetesAddress("https", "usersvc", "users", "https") },
        { "k8s+http://usersvc", new KubernetesAddress("http", "usersvc", null, "") },
    };

    [Theory]
    [MemberData(nameof(Good))]
    public void Address_OfAKnownScheme_IsParsed(string text, object address) => Assert.Equal(address, DestinationAddress.Parse(text));

    [Theory]
    [InlineData(null, "is not an address such as http://host:8080: ")]
    [InlineData("usersvc:8080", "is not an address such as http://host:8080: usersvc:8080")]
    [InlineData("ftp://usersvc", "has the unknown scheme ftp; use http, https, dns+http, dns+https, sds+http, k8s+http or k8s+https: ftp://usersvc")]
    [InlineData("sds+https://sds/usersvc", "has the unknown scheme sds+https; use http, https, dns+http, dns+https, sds+http, k8s+http or k8s+https: sds+https://sds/usersvc")]
    [InlineData("dns+http://10.0.0.1:8080", "is not a DNS name and a port, such as dns+http://usersvc:8080: dns+http://10.0.0.1:8080")]
    [InlineData("dns+http://usersvc:8080/user", "is not a DNS name and a port, such as dns+http://usersvc:8080: dns+http://usersvc:8080/user")]
    [InlineData("dns+http://usersvc:8080?a=b", "must not have a user, query or fragment: dns+http://usersvc:8080?a=b")]
    [InlineData("sds+http://sds", "is not a registration service's address and a service's name, such as sds+http://sds:8080/usersvc: sds+http://sds")]
    [InlineData("sds+http://sds/a/b", "is not a registration service's address and a service's name, such as sds+http://sds:8080/usersvc: sds+http://sds/a/b")]
    [InlineData("k8s+http://usersvc:80/http", "is not a Service and a port's name, such as k8s+http://usersvc/http or k8s+http://usersvc.namespace/http: k8s+http://usersvc:80/http")]
    [InlineData("k8s+http://usersvc.users.svc/http", "is not a Service and a port's name, such as k8s+http://usersvc/http or k8s+http://usersvc.namespace/http: k8s+http://usersvc.users.svc/http")]
    [InlineData("k8s+http://usersvc/http/x", "is not a Service and a port's name, such as k8s+http://usersvc/http or k8s+http://usersvc.namespace/http: k8s+http://usersvc/http/x")]
    public void Address_OfAnyOtherShape_IsRefusedWithTheReason(string? text, string reason) =>
        Assert.Equal(reason, Assert.Throws<FormatException>(() => DestinationAddress.Parse(text)).Message);
}
