using UserSvc.AppHost;
using UserSvc.AppHost.Kubernetes;

namespace UserSvc.Tests.AppHost;

public sealed class ShapeOptionsTests
{
    [Theory]
    [InlineData("Unknown option '--Sidecar'. Known: --Sidecars, --Autoscaling, --Tls, --Gateway, --CertificateMap, --ExternalDatabase, --Telemetry, each with a value.", "--Sidecar", "true")]
    [InlineData("--Gateway needs a value.", "--Gateway")]
    [InlineData("Sidecars must be true or false, not 'yes'.", "--Sidecars", "yes")]
    [InlineData("Gateway must be a host name, such as users.example.com, not 'https://users.example.com'.", "--Gateway", "https://users.example.com")]
    [InlineData("ExternalDatabase must be the name of a Secret, not 'Users'.", "--ExternalDatabase=Users")]
    [InlineData("CertificateMap applies only to a Gateway: set Gateway too.", "--CertificateMap", "users")]
    [InlineData("Tls and Gateway cannot be combined, because the Gateway terminates TLS: set only one of them.", "--Tls", "true", "--Gateway", "users.example.com")]
    [InlineData("Telemetry must be an http or https URL with port 4317 or 4318, such as http://collector.observability:4317, not 'collector:4317'.", "--Telemetry", "collector:4317")]
    public void Read_InvalidOptions_AreRefusedByName(string message, params string[] options) =>
        Assert.Equal(message, Assert.Throws<LaunchException>(() => ShapeOptions.Read(["--operation", "publish", "--step", "publish", "--output-path", "chart", .. options])).Message);

    [Fact]
    public void Read_EveryOption_IsTheShape()
    {
        var shape = ShapeOptions.Read(["--Sidecars", "true", "--Autoscaling=true", "--Gateway", "users.example.com", "--CertificateMap", "users", "--ExternalDatabase", "db", "--Telemetry", "http://c:4317"]);

        Assert.Equal(
            new ShapeOptions { Sidecars = true, Autoscaling = true, Tls = false, Gateway = "users.example.com", CertificateMap = "users", ExternalDatabase = "db", Telemetry = "http://c:4317" },
            shape);
    }
}
