using System.Diagnostics;

namespace UserSvc.Edge.Statistics;

/// <summary>What came in on a listener: connections, requests in all and in flight, answers, and how long they took.</summary>
internal sealed class ListenerStatistics
{
    private readonly LatencyHistogram _latency = new();
    private long _connections, _openConnections, _requests, _active;

    public long Connections => Volatile.Read(ref _connections);

    public long OpenConnections => Volatile.Read(ref _openConnections);

    public long Requests => Volatile.Read(ref _requests);

    public long Active => Volatile.Read(ref _active);

    public StatusClasses Answers { get; } = new();

    public HistogramSnapshot Latency => _latency.Read();

    public void Open()
    {
        Interlocked.Increment(ref _connections);
        Interlocked.Increment(ref _openConnections);
    }

    public void Close() => Interlocked.Decrement(ref _openConnections);

    /// <summary>Counts the request, and its end when the server is done with it: a state machine around the pipeline would cost more.</summary>
    public void Begin(HttpContext context)
    {
        Interlocked.Increment(ref _requests);
        Interlocked.Increment(ref _active);
        context.Response.OnCompleted(static state =>
        {
            ((Exchange)state).End();
            return Task.CompletedTask;
        }, new Exchange(this, context.Response, Stopwatch.GetTimestamp()));
    }

    private sealed class Exchange(ListenerStatistics statistics, HttpResponse response, long begun)
    {
        public void End()
        {
            Interlocked.Decrement(ref statistics._active);
            // A client that left before the answer got none. An upgraded connection lives on for hours.
            if (response.HasStarted)
            {
                statistics.Answers.Add(response.StatusCode);
                if (response.StatusCode != StatusCodes.Status101SwitchingProtocols)
                {
                    statistics._latency.Record(Stopwatch.GetTimestamp() - begun);
                }
            }
        }
    }
}
