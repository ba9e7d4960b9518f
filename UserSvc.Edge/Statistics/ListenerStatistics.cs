using System.Diagnostics;

namespace UserSvc.Edge.Statistics;

/// <summary>A listener's traffic: connections, requests in total and in flight, answers and their latency.</summary>
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
