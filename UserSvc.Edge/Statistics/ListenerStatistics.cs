using System.Diagnostics;

namespace UserSvc.Edge.Statistics;

/// <summary>Why the edge closed a connection.</summary>
internal enum ConnectionRefusal
{
    /// <summary>Memory is short.</summary>
    Overload,

    /// <summary>All listeners together have as many connections as the process may open sockets for clients.</summary>
    NoSockets,

    /// <summary>The listener has as many connections as it may have.</summary>
    ListenerFull,

    /// <summary>The client's address has too many open connections.</summary>
    AddressFull,

    /// <summary>The client's address has opened too many connections lately.</summary>
    AddressTooFast,

    /// <summary>Too many TLS handshakes were in progress, on the whole listener or with the client's address.</summary>
    Handshakes,

    /// <summary>The client sent nothing.</summary>
    Silent,

    /// <summary>The TLS handshake failed or was not completed in time.</summary>
    NoHandshake,

    /// <summary>The client reset too many of its HTTP/2 requests.</summary>
    Resets,
}

/// <summary>A listener's traffic: connections, requests in total and in flight, answers and their latency.</summary>
internal sealed class ListenerStatistics
{
    private readonly LatencyHistogram _latency = new();
    private readonly Counter[] _refused = [.. Enum.GetValues<ConnectionRefusal>().Select(_ => new Counter())];
    private long _connections, _openConnections, _requests, _active;

    public long Connections => Volatile.Read(ref _connections);

    public long OpenConnections => Volatile.Read(ref _openConnections);

    public long Requests => Volatile.Read(ref _requests);

    public long Active => Volatile.Read(ref _active);

    public StatusClasses Answers { get; } = new();

    public HistogramSnapshot Latency => _latency.Read();

    public Counter Refused(ConnectionRefusal reason) => _refused[(int)reason];

    public void Open()
    {
        Interlocked.Increment(ref _connections);
        Interlocked.Increment(ref _openConnections);
    }

    public void Close() => Interlocked.Decrement(ref _openConnections);

    /// <summary>Counts the request now, and its end when the server completes it: awaiting the pipeline would cost another state machine.</summary>
    /// <param name="context">The request's.</param>
    /// <param name="completed">Called at the end, with the timestamp of the beginning, in ticks of <see cref="Stopwatch"/>.</param>
    public void Begin(HttpContext context, Action<HttpContext, long>? completed)
    {
        Interlocked.Increment(ref _requests);
        Interlocked.Increment(ref _active);
        context.Response.OnCompleted(static state =>
        {
            ((Exchange)state).End();
            return Task.CompletedTask;
        }, new Exchange(this, context, completed, Stopwatch.GetTimestamp()));
    }

    private sealed class Exchange(ListenerStatistics statistics, HttpContext context, Action<HttpContext, long>? completed, long begun)
    {
        public void End()
        {
            Interlocked.Decrement(ref statistics._active);
            var response = context.Response;
            // A client that left early got no answer. An upgraded connection lives for hours.
            if (response.HasStarted)
            {
                statistics.Answers.Add(response.StatusCode);
                if (response.StatusCode != StatusCodes.Status101SwitchingProtocols)
                {
                    statistics._latency.Record(Stopwatch.GetTimestamp() - begun);
                }
            }

            completed?.Invoke(context, begun);
        }
    }
}
