using System.Net.ServerSentEvents;
using System.Runtime.CompilerServices;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace UserSvc.Edge.Admin;

/// <summary>Server-sent events for the page: first the last fifteen minutes, then the current state twice a second, and the last failures whenever they change.</summary>
internal sealed class EventsEndpoint(Overview overview, FailuresEndpoint failures, TimeProvider time) : IDisposable
{
    private const int MaxStreams = 32;
    private const int Buffer = 16 * 1024;

    private static readonly TimeSpan Every = TimeSpan.FromSeconds(0.5);

    private readonly SemaphoreSlim _streams = new(MaxStreams);

    internal static IResult Get(HttpContext context, EventsEndpoint events)
    {
        if (HttpMethods.IsHead(context.Request.Method))
        {
            return TypedResults.Text("", "text/event-stream");
        }

        if (!events._streams.Wait(0, CancellationToken.None))
        {
            return TypedResults.Problem($"All {MaxStreams} streams are in use; close another page first.", statusCode: StatusCodes.Status503ServiceUnavailable);
        }

        context.Response.RegisterForDispose(new Slot(events._streams));
        CutIfStalled(context);
        return TypedResults.ServerSentEvents(events.FollowAsync(context));
    }

    public void Dispose() => _streams.Dispose();

    private async IAsyncEnumerable<SseItem<string>> FollowAsync(HttpContext context, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        // Kestrel asks each connection to close when it stops; without this, it would wait out the whole grace period for an open stream.
        var closing = context.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? CancellationToken.None;
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, context.RequestAborted, closing);
        using var timer = new PeriodicTimer(Every, time);
        yield return new(overview.WriteHistory(), "history");
        long? sent = null;
        do
        {
            if (failures.Total is var total && total != sent)
            {
                sent = total;
                yield return new(failures.Write(), "failures");
            }

            yield return new(await overview.WriteStatsAsync(CancellationToken.None), "stats");
        }
        while (await WaitAsync(timer, ending.Token));
    }

    // The kernel would buffer minutes of events for a reader that has stalled, and Kestrel then add the time that the data read before may
    // have taken at its minimum rate.
    private static void CutIfStalled(HttpContext context)
    {
        context.Features.Get<IConnectionSocketFeature>()?.Socket.SendBufferSize = Buffer;
        if (context.Features.Get<IHttpMinResponseDataRateFeature>() is { MinDataRate: { } rate } limit)
        {
            limit.MinDataRate = new(Buffer, rate.GracePeriod);
        }
    }

    private static async Task<bool> WaitAsync(PeriodicTimer timer, CancellationToken cancellationToken)
    {
        try
        {
            return await timer.WaitForNextTickAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private sealed class Slot(SemaphoreSlim streams) : IDisposable
    {
        public void Dispose() => streams.Release();
    }
}
