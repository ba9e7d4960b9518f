using System.Net;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using UserSvc.Edge.Listeners;
using UserSvc.Edge.Statistics;

namespace UserSvc.Tests.Edge;

/// <summary>What a listener decides when it accepts a connection.</summary>
public sealed class ConnectionLimitsTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public void Address_ThatOpensTooManyInTenSeconds_IsRefusedUntilTheyHavePassed()
    {
        var limits = Limits(new() { AddressPerSecond = 2 });
        var (one, other) = (IPAddress.Parse("10.0.0.1"), IPAddress.Parse("10.0.0.2"));
        var first = Enumerable.Range(0, 20).Select(_ => OpenAndClose(one)).Distinct().ToList();

        var refused = (OpenAndClose(one), OpenAndClose(other));
        _time.Advance(TimeSpan.FromSeconds(9.9));
        var late = OpenAndClose(one);
        _time.Advance(TimeSpan.FromSeconds(0.1));
        var next = OpenAndClose(one);

        Assert.Equal([null], first);
        Assert.Equal((ConnectionRefusal.AddressTooFast, null, ConnectionRefusal.AddressTooFast, null), (refused.Item1, refused.Item2, late, next));

        ConnectionRefusal? OpenAndClose(IPAddress client)
        {
            var refusal = limits.Open(client);
            if (refusal is null)
            {
                limits.Close(client);
            }

            return refusal;
        }
    }

    [Fact]
    public async Task Sockets_ThatAreUsedUp_CloseThePublicListenersOnly()
    {
        var sockets = new ClientSockets(files: 4);
        var (open, health) = (Listener(new(), sockets), new ListenerFeature("Health", UserSvc.Edge.Listeners.Listener.Health, false, new(new(), null, _time), sockets));
        await using var openSocket = new LimitedSocket(await BindAsync(), open, NullLogger<LimitedSocket>.Instance);
        await using var healthSocket = new LimitedSocket(await BindAsync(), health, NullLogger<LimitedSocket>.Instance);
        var clients = new List<RawConnection>();
        foreach (var socket in new[] { healthSocket, openSocket, openSocket })
        {
            clients.Add(await RawConnection.OpenAsync(new($"tcp://{socket.EndPoint}")));
            await socket.AcceptAsync(TestContext.Current.CancellationToken);
        }

        var refusing = openSocket.AcceptAsync(TestContext.Current.CancellationToken).AsTask();
        var refused = await RawConnection.ExchangeAsync(new($"tcp://{openSocket.EndPoint}"), "");
        var usedUp = (open.Closed, health.Statistics.OpenConnections, open.Statistics.OpenConnections, open.Statistics.Refused(ConnectionRefusal.NoSockets).Value);
        using var another = await RawConnection.OpenAsync(new($"tcp://{healthSocket.EndPoint}"));
        var accepted = await healthSocket.AcceptAsync(TestContext.Current.CancellationToken);
        clients.ForEach(client => client.Dispose());
        await Eventually.HoldsAsync(() => Task.FromResult(open.Statistics.OpenConnections == 0));

        Assert.Equal("", refused);
        Assert.Equal(("refuses connections: sockets are short (ulimit -n)", 1, 2, 1), usedUp);
        Assert.NotNull(accepted);
        Assert.False(refusing.IsCompleted);
        Assert.Null(open.Closed);
    }

    // As when a client aborts HTTP/2 streams: Kestrel's own task for the connection then may never end.
    [Fact]
    public async Task Connection_WhoseApplicationNeverEnds_StopsCountingWhenTheClientHasClosedIt()
    {
        var listener = Listener(new() { Max = 2 });
        await using var socket = new LimitedSocket(await BindAsync(), listener, NullLogger<LimitedSocket>.Instance);
        var client = await RawConnection.OpenAsync(new($"tcp://{socket.EndPoint}"));
        await socket.AcceptAsync(TestContext.Current.CancellationToken);
        var whileOpen = (listener.Statistics.OpenConnections, listener.Limits.Open(IPAddress.Loopback));

        client.Dispose();
        await Eventually.HoldsAsync(() => Task.FromResult(listener.Statistics.OpenConnections == 0));

        Assert.Equal((1, ConnectionRefusal.AddressFull), whileOpen);
        Assert.Null(listener.Limits.Open(IPAddress.Loopback));
    }

    [Fact]
    public async Task Listener_WhoseSocketFails_SaysThatItTakesNoConnections()
    {
        var listener = Listener(new());
        await using var socket = new LimitedSocket(new Broken(), listener, NullLogger<LimitedSocket>.Instance);
        var before = listener.Closed;

        var failure = await Record.ExceptionAsync(() => socket.AcceptAsync(TestContext.Current.CancellationToken).AsTask());

        Assert.Equal((null, "broken", "has stopped accepting connections"), (before, failure?.Message, listener.Closed));
    }

    private static ValueTask<IConnectionListener> BindAsync() =>
        new SocketTransportFactory(Options.Create(new SocketTransportOptions()), NullLoggerFactory.Instance).BindAsync(new IPEndPoint(IPAddress.Loopback, 0));

    private ConnectionLimits Limits(ConnectionOptions options) =>
        new(options, new(Options.Create(new ClientOptions())), _time);

    private ListenerFeature Listener(ConnectionOptions options, ClientSockets? sockets = null) =>
        new("Http", UserSvc.Edge.Listeners.Listener.Public, https: false, Limits(options), sockets ?? new(long.MaxValue));

    private sealed class Broken : IConnectionListener
    {
        public EndPoint EndPoint { get; } = new IPEndPoint(IPAddress.Loopback, 0);

        public ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default) => throw new InvalidOperationException("broken");

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default) => ValueTask.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
