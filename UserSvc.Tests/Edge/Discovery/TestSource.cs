using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using UserSvc.Edge.Discovery;

namespace UserSvc.Tests.Edge.Discovery;

/// <summary>One source without a proxy, in virtual time: the test sees its pauses and decides when they are over.</summary>
internal sealed class TestSource : IAsyncDisposable
{
    private readonly RecordedTime _time = new();

    public TestSource(string address, Action<DiscoveryOptions> configure)
    {
        var options = new DiscoveryOptions();
        // Like EdgeHost.Patience: the source's clock is virtual, its server is real.
        options.Dns.Timeout = options.Sds.Timeout = TimeSpan.FromMinutes(1);
        configure(options);
        var settings = new DiscoverySettings(options, _time, new RecordedLog(Log));
        Source = DestinationAddress.Parse(address) switch
        {
            DnsAddress dns => new DnsSource(address, dns, settings),
            SdsAddress sds => new SdsSource(address, sds, settings),
            KubernetesAddress kubernetes => new KubernetesSource(
                address, kubernetes, KubernetesConnection.From(options.Kubernetes, new ConfigurationBuilder().Build()), settings),
            var other => throw new ArgumentException($"No source: {other}"),
        };
        Source.Start();
    }

    public DiscoverySource Source { get; }

    /// <summary>Warnings and recoveries.</summary>
    public ConcurrentQueue<string> Log { get; } = [];

    public long Failures => Source.Failures.Value;

    /// <summary>The known endpoints, each as <c>address</c> or, if its key differs, <c>key address</c>; null before the first answer.</summary>
    public IEnumerable<string>? Known => Source.Endpoints?.Select(e => e.Key == e.Address.ToString() ? e.Key : $"{e.Key} {e.Address}");

    /// <summary>Waits for the source's next pause and ends it.</summary>
    public async Task<TimeSpan> PassAsync()
    {
        var pause = await PausedAsync();
        _time.Advance(pause);
        return pause;
    }

    /// <summary>Waits for the source's next pause and leaves it there.</summary>
    public Task<TimeSpan> PausedAsync() => _time.Pauses.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Eventually.Deadline);

    public void Advance(TimeSpan time) => _time.Advance(time);

    public async ValueTask DisposeAsync() => await Source.DisposeAsync().AsTask().WaitAsync(Eventually.Deadline);

    private sealed class RecordedTime : FakeTimeProvider
    {
        public Channel<TimeSpan> Pauses { get; } = Channel.CreateUnbounded<TimeSpan>();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            var timer = base.CreateTimer(callback, state, dueTime, period);
            if (state is not CancellationTokenSource)
            {
                // A request's deadline is not a pause.
                Pauses.Writer.TryWrite(dueTime);
            }

            return timer;
        }
    }

    private sealed class RecordedLog(ConcurrentQueue<string> log) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Information;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            log.Enqueue($"{logLevel}: {formatter(state, exception)}");
    }
}
