using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Threading.Channels;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using UserSvc.Edge.Discovery;

namespace UserSvc.Tests.Edge.Discovery;

/// <summary>One source without a proxy, in virtual time: its pauses are told to the test, and pass when the test says so.</summary>
internal sealed class ReadSource : IAsyncDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly MeterListener _listener = new();
    private readonly RecordedTime _time = new();
    private int _failures;

    public ReadSource(string address, Action<DiscoveryOptions> configure)
    {
        var options = new DiscoveryOptions();
        // Like EdgeHost.Patience: the source's clock is virtual, its server is real.
        options.Dns.Timeout = options.Sds.Timeout = TimeSpan.FromMinutes(1);
        configure(options);
        var settings = new DiscoverySettings(options, new(_services.GetRequiredService<IMeterFactory>()), _time, new RecordedLog(Log));
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Name == "edge.discovery.failures" && instrument.Meter.Scope == _services.GetRequiredService<IMeterFactory>())
            {
                listener.EnableMeasurementEvents(instrument);
            }
        };
        _listener.SetMeasurementEventCallback<long>((_, _, _, _) => Interlocked.Increment(ref _failures));
        _listener.Start();
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

    public int Failures => Volatile.Read(ref _failures);

    /// <summary>What is known, as <c>address</c> or, where the key is another, <c>key address</c>; null before the first answer.</summary>
    public IEnumerable<string>? Known => Source.Endpoints?.Select(e => e.Key == e.Address.ToString() ? e.Key : $"{e.Key} {e.Address}");

    /// <summary>The next pause that the source takes, which is then over.</summary>
    public async Task<TimeSpan> PassAsync()
    {
        var pause = await _time.Pauses.Reader.ReadAsync(TestContext.Current.CancellationToken);
        _time.Advance(pause);
        return pause;
    }

    /// <summary>The next pause that the source takes, in which it stays.</summary>
    public async Task<TimeSpan> PausedAsync() => await _time.Pauses.Reader.ReadAsync(TestContext.Current.CancellationToken);

    public void Advance(TimeSpan time) => _time.Advance(time);

    public async ValueTask DisposeAsync()
    {
        await Source.DisposeAsync();
        _listener.Dispose();
        await _services.DisposeAsync();
    }

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
