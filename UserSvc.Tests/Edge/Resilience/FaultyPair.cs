using Microsoft.AspNetCore.Http;

namespace UserSvc.Tests.Edge.Resilience;

/// <summary>Two instances, of which the one that is asked first does something else than answer, once.</summary>
internal sealed class FaultyPair : IAsyncDisposable
{
    private readonly RequestDelegate _fault;
    private readonly TaskCompletionSource _faulted = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _asked = -1;

    private FaultyPair(RequestDelegate fault) => _fault = fault;

    public List<Upstream> Upstreams { get; } = [];

    /// <summary>Ends when the request that meets the fault has arrived.</summary>
    public Task Faulted => _faulted.Task;

    /// <summary>Each request that an instance received, such as "GET 1": the method and the number of the attempt.</summary>
    public IEnumerable<string> Attempts => Upstreams.SelectMany(u => u.Requests).Select(r => $"{r.Method} {r.Headers["x-envoy-attempt-count"]}").Order();

    public static async Task<FaultyPair> StartAsync(RequestDelegate fault)
    {
        var pair = new FaultyPair(fault);
        pair.Upstreams.Add(await Upstream.StartAsync("usersvc-1", pair.AnswerAsync));
        pair.Upstreams.Add(await Upstream.StartAsync("usersvc-2", pair.AnswerAsync));
        return pair;
    }

    /// <summary>The edge over the two, with a used connection to each, and the fault to come with the next request.</summary>
    public Task<EdgeHost> EdgeAsync(params (string Key, string Value)[] settings) => EdgeAsync(null, settings);

    /// <summary>The same, with the test's clock.</summary>
    public async Task<EdgeHost> EdgeAsync(TimeProvider? time, params (string Key, string Value)[] settings)
    {
        var edge = await EdgeHost.ReadyAsync(time, Upstreams, [($"{EdgeHost.Probing}:Interval", "01:00:00"), .. settings]);
        await edge.Public.AskAsync("/user/warm");
        await edge.Public.AskAsync("/user/up");
        Upstreams.ForEach(u => u.Requests.Clear());
        Interlocked.Exchange(ref _asked, 0);
        return edge;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var upstream in Upstreams)
        {
            await upstream.DisposeAsync();
        }
    }

    private Task AnswerAsync(HttpContext context)
    {
        if (Interlocked.CompareExchange(ref _asked, 1, 0) != 0)
        {
            return context.Response.WriteAsync("answered", context.RequestAborted);
        }

        _faulted.TrySetResult();
        return _fault(context);
    }
}
