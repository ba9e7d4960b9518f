using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using Aspire.Hosting.Testing;
using UserSvc.AppHost.Processes;

namespace UserSvc.Tests.AppHost;

/// <summary>Two instances with sidecars, behind an edge that also serves https.</summary>
public sealed class SidecarAppHost() : RunningAppHost(["--Replicas", "2", "--Sidecars", "true", "--Tls", "true", "--TlsPort", $"{Ports.Free()}"]);

[Scenario]
public sealed class SidecarAppHostTests(SidecarAppHost system) : IClassFixture<SidecarAppHost>, IDisposable
{
    public void Dispose() => system.WriteLog();

    [Fact]
    public async Task Sidecars_Enabled_AreTheEdgesDestinations()
    {
        using var registry = system.App.CreateHttpClient("edge", "health");

        var hosts = (await registry.GetFromJsonAsync<JsonObject>("/v1/registration/usersvc", RunningAppHost.Cancellation))!["hosts"]!.AsArray();

        Assert.Equal(
            new SortedSet<int> { system.App.GetEndpoint("usersvc-1-sidecar", "http").Port, system.App.GetEndpoint("usersvc-2-sidecar", "http").Port },
            hosts.Select(host => host!["port"]!.GetValue<int>()).Order());
        Assert.Equal("usersvc-1 usersvc-2", await system.AnsweringAsync(4));
    }

    [Fact]
    public void Sidecar_InTheDashboard_IsAChildOfItsInstance() =>
        Assert.Equal(
            ["Parent usersvc-1", "Reference usersvc-1"],
            system.Snapshot("usersvc-1-sidecar").Relationships.Select(relationship => $"{relationship.Type} {relationship.ResourceName}").Order(StringComparer.Ordinal));

    [Fact]
    public async Task Tls_Enabled_ServesHttpsThatTheCertificateFileMakesTrusted()
    {
        using var client = TrustedClient.Create(Path.Combine(system.StateFolder, "tls", "localhost.crt"), system.App.GetEndpoint("edge", "https"));

        var answer = await client.GetAsync("/user/health", RunningAppHost.Cancellation);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }
}
