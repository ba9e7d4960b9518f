using System.Reflection;
using UserSvc.Tests.Edge;

namespace UserSvc.Tests.Images;

/// <summary>Who a process says it is, in everything it exports.</summary>
public sealed class ResourceTests(PostgresFixture postgres) : IAsyncLifetime
{
    private static readonly string Version = typeof(UserSvc.Edge.Program).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion;

    private OtlpReceiver _collector = null!;
    private Upstream _upstream = null!;

    public async ValueTask InitializeAsync()
    {
        _collector = await OtlpReceiver.StartAsync();
        _upstream = await Upstream.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _upstream.DisposeAsync();
        await _collector.DisposeAsync();
    }

    [Theory]
    [InlineData("edge")]
    [InlineData("usersvc")]
    [InlineData("usersvc-sidecar")]
    public async Task Resource_OfAContainer_IsItsServiceBuildAndInstance(string service)
    {
        await using var container = await StartAsync(service);

        await AssertResourceAsync(container,
            $"""
            service.instance.id={Environment.MachineName}
            service.name={service}
            service.version={Version}
            """);
    }

    [Theory]
    [InlineData("edge")]
    [InlineData("usersvc")]
    [InlineData("usersvc-sidecar")]
    public async Task Resource_OfAPod_IsThePodToo(string service)
    {
        await using var container = await StartAsync(service, ("POD_NAME", "a-pod"), ("POD_NAMESPACE", "users"), ("NODE_NAME", "a-node"), ("Instance__Name", "an-instance"));

        await AssertResourceAsync(container,
            $"""
            k8s.namespace.name=users
            k8s.node.name=a-node
            k8s.pod.name=a-pod
            service.instance.id=an-instance
            service.name={service}
            service.version={Version}
            """);
    }

    [Fact]
    public async Task Resource_SetByTheStandardVariables_IsWhatTheySay()
    {
        await using var container = await StartAsync(
            "edge", ("POD_NAME", "a-pod"), ("OTEL_SERVICE_NAME", "front"),
            ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,service.version=2,service.instance.id=7,k8s.pod.name=theirs,deployment.environment.name=staging"));

        await AssertResourceAsync(container,
            """
            deployment.environment.name=staging
            k8s.pod.name=theirs
            service.instance.id=7
            service.name=front
            service.version=2
            """);
    }

    private async Task<ContainerProcess> StartAsync(string service, params IEnumerable<(string Name, string Value)> environment)
    {
        IEnumerable<(string, string)> exporting = [.. _collector.Settings, ("OTEL_TRACES_SAMPLER", "always_on"), .. environment];
        return service switch
        {
            "usersvc" => await ContainerProcess.UsersvcAsync(await postgres.CreateDatabaseAsync(), exporting),
            "edge" => await ContainerProcess.EdgeAsync(_upstream.Address, exporting),
            _ => await ContainerProcess.SidecarAsync(_upstream.Address, exporting),
        };
    }

    private async Task AssertResourceAsync(ContainerProcess container, string attributes)
    {
        await container.AskTracedAsync();
        await container.StopAsync();

        Assert.Equal([("logs", attributes), ("metrics", attributes), ("traces", attributes)], _collector.Resources.Distinct().Order());
    }
}
