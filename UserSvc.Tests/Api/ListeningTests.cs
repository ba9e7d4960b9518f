using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Microsoft.Extensions.Options;
using UserSvc.AppHost.Processes;
using UserSvc.Tests.Edge.Sidecar;

namespace UserSvc.Tests.Api;

public sealed class ListeningTests(PostgresFixture postgres)
{
    private const string Port = "Listen:LoopbackPort";

    // Every Linux machine answers on 127.0.0.2, and some have no other address; elsewhere nothing answers there.
    private static IEnumerable<IPAddress> OtherAddresses => NetworkInterface.GetAllNetworkInterfaces()
        .Where(network => network.OperationalStatus == OperationalStatus.Up)
        .SelectMany(network => network.GetIPProperties().UnicastAddresses.Select(unicast => unicast.Address))
        .Where(address => !address.Equals(IPAddress.Loopback))
        .Concat(OperatingSystem.IsLinux() ? [IPAddress.Parse("127.0.0.2")] : []);

    [Theory]
    [InlineData("urls", "http://*:{0}")]
    [InlineData("HTTP_PORTS", "{0}")]
    [InlineData("Kestrel:Endpoints:Http:Url", "http://*:{0}")]
    public async Task LoopbackPort_WhateverElseIsConfigured_IsTheOnlyOneAndOnLoopbackOnly(string key, string value)
    {
        var (port, other) = (Ports.Free(), Ports.Free());
        await using var api = new ApiInstance(await postgres.CreateDatabaseAsync(), ("urls", null), (key, string.Format(null, value, other)), (Port, $"{port}"));

        var client = await api.StartAsync();

        Assert.Equal(new($"http://127.0.0.1:{port}"), client.BaseAddress);
        Assert.Equal(SocketError.Success, await ConnectAsync(IPAddress.Loopback, port));
        Assert.Equal(SocketError.ConnectionRefused, await ConnectAsync(IPAddress.Loopback, other));
        foreach (var address in OtherAddresses)
        {
            Assert.Equal((address, SocketError.ConnectionRefused), (address, await ConnectAsync(address, port)));
        }
    }

    [Fact]
    public async Task Instance_BehindItsSidecar_AnswersThroughIt()
    {
        await using var api = new ApiInstance(await postgres.CreateDatabaseAsync(), (Port, $"{Ports.Free()}"));
        var instance = await api.ReadyAsync();
        await using var sidecar = await SidecarHost.ReadyAsync($"{instance.BaseAddress}");

        var created = await sidecar.Public.PutUserAsync("alice", "Alice", "a long password");
        var read = await sidecar.Public.AnswerToGetAsync("/user/alice");

        Assert.Equal((Answer.User(201, "Alice"), Answer.User(200, "Alice")), (created, read));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("65536")]
    public async Task LoopbackPort_OutOfRange_StopsTheStart(string port)
    {
        await using var api = new ApiInstance(await postgres.CreateDatabaseAsync(), (Port, port));

        var failure = await Assert.ThrowsAsync<OptionsValidationException>(api.StartAsync);

        Assert.Equal(
            ["Listen:LoopbackPort must be between 1 and 65535."],
            failure.Failures);
    }

    private static async Task<SocketError> ConnectAsync(IPAddress address, int port)
    {
        using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(address, port, TestContext.Current.CancellationToken);
            return SocketError.Success;
        }
        catch (SocketException failure)
        {
            return failure.SocketErrorCode;
        }
    }
}
