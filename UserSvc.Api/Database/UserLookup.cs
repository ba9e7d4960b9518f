using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Options;
using Npgsql;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Database;

/// <summary>Section <c>Lookup</c>.</summary>
internal sealed class UserLookupOptions
{
    /// <summary>Lookups that may wait for the query in flight; more are refused with 503. Default 4096; 1 to 100,000.</summary>
    [Range(1, 100_000)]
    public int QueueLimit { get; set; } = 4096;

    /// <summary>The maximum number of names in one query. Default 512; 1 to 10,000.</summary>
    [Range(1, 10_000)]
    public int BatchLimit { get; set; } = 512;

    /// <summary>
    /// Whether the server keeps the lookup's statements prepared. Default true; false behind a connection pooler that pools transactions and
    /// does not track prepared statements.
    /// </summary>
    public bool Prepare { get; set; } = true;
}

/// <summary>
/// Reads users by name over one connection. While a query is in flight, lookups gather; when it returns, all of them go out as one
/// query. A lookup that finds the connection idle is sent from another thread, together with those that this one reads meanwhile.
/// </summary>
/// <remarks>
/// A caller that gives up does not affect the others: no caller's token reaches the connection. A failed query fails only the
/// callers it carried, and the next query opens a new connection.
/// </remarks>
internal sealed class UserLookup(NpgsqlDataSource dataSource, DatabaseOutage outage, IOptions<UserLookupOptions> options, IMeterFactory meters)
    : IThreadPoolWorkItem, IAsyncDisposable
{
    private static readonly ActivitySource Source = new("UserSvc.Api");

    private readonly Histogram<int> _batchSize = meters.Create("UserSvc.Api").CreateHistogram<int>("usersvc.lookup.batch.size", "{lookup}", "Lookups sent as one query");
    private readonly Lock _gate = new();
    private readonly LookupConnection _connection = new(dataSource, outage, options.Value.Prepare);
    private readonly int _queueLimit = options.Value.QueueLimit;
    private readonly int _batchLimit = options.Value.BatchLimit;
    private List<PendingLookup> _queue = [];
    private bool _busy;

    /// <exception cref="UnavailableException">The database is down, or the queue is full.</exception>
    public ValueTask<User?> FindAsync(string name, CancellationToken cancellationToken) =>
        Activity.Current is { Recorded: true } ? FindTracedAsync(name, cancellationToken) : FindAsync(name, null, cancellationToken);

    public int Waiting => _queue.Count;

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    // On the thread pool, without a caller's context: the others' queries are not part of its trace.
    void IThreadPoolWorkItem.Execute() => _ = RunAsync(TakeBatch()!);

    private async ValueTask<User?> FindTracedAsync(string name, CancellationToken cancellationToken)
    {
        using var span = Source.StartActivity("lookup");
        try
        {
            return await FindAsync(name, span, cancellationToken);
        }
        catch (UnavailableException)
        {
            span?.SetStatus(ActivityStatusCode.Error);
            throw;
        }
    }

    private ValueTask<User?> FindAsync(string name, Activity? span, CancellationToken cancellationToken)
    {
        outage.ThrowIfDown();
        var pending = new PendingLookup(name, span);
        bool wasBusy;
        lock (_gate)
        {
            if (_queue.Count >= _queueLimit)
            {
                throw new UnavailableException("Too many reads are waiting for the database.", overloaded: true);
            }

            _queue.Add(pending);
            (wasBusy, _busy) = (_busy, true);
        }

        if (!wasBusy)
        {
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
        }

        return new(pending.Task.WaitAsync(cancellationToken));
    }

    private List<PendingLookup>? TakeBatch()
    {
        lock (_gate)
        {
            _busy = _queue.Count > 0;
            if (!_busy)
            {
                return null;
            }

            var batch = _queue;
            _queue = new(batch.Count);
            if (batch.Count > _batchLimit)
            {
                _queue.AddRange(batch[_batchLimit..]);
                batch.RemoveRange(_batchLimit, batch.Count - _batchLimit);
            }

            return batch;
        }
    }

    private async Task RunAsync(List<PendingLookup> batch)
    {
        var query = QueryAsync(batch);
        while (true)
        {
            var failure = await query;
            var next = TakeBatch();
            if (next is not null)
            {
                // Sent before this batch's callers wake, so that the database works while they write their answers.
                query = QueryAsync(next);
            }

            foreach (var pending in batch)
            {
                pending.Complete(failure);
            }

            if (next is null)
            {
                return;
            }

            batch = next;
        }
    }

    // Never throws: otherwise no further batch would be sent. The callers get the exception as their result.
    private async Task<Exception?> QueryAsync(List<PendingLookup> batch)
    {
        Activity? span = null;
        try
        {
            // Before the span: an outage that is known already is not an error of this batch.
            outage.ThrowIfDown();
            span = StartBatchSpan(batch);
            await _connection.FindAsync(batch);
            _batchSize.Record(batch.Count);
            return null;
        }
        catch (Exception e)
        {
            span?.SetStatus(ActivityStatusCode.Error);
            return e;
        }
        finally
        {
            span?.Dispose();
        }
    }

    // A query for one request belongs to its trace. One for several starts a new trace, linked to the recorded requests that it serves. Null without
    // a new span.
    private static Activity? StartBatchSpan(List<PendingLookup> batch)
    {
        if (batch is [{ Span: { } only }])
        {
            Activity.Current = only;
            return null;
        }

        List<ActivityLink>? links = null;
        foreach (var pending in batch)
        {
            if (pending.Span is { } span)
            {
                (links ??= []).Add(new(span.Context));
            }
        }

        return links is null ? null
            : Source.StartActivity("lookup batch", ActivityKind.Internal, parentContext: default, [new("usersvc.lookup.batch.size", batch.Count)], links);
    }
}

/// <remarks>Callers go on as part of <see cref="Complete"/>: writing an answer takes less time than waking a thread for it.</remarks>
internal sealed class PendingLookup(string name, Activity? span) : TaskCompletionSource<User?>
{
    public string Name { get; } = name;

    /// <summary>The request's span; null when the request is not recorded.</summary>
    public Activity? Span { get; } = span;

    public User? Found { get; set; }

    public void Complete(Exception? failure)
    {
        if (failure is null)
        {
            SetResult(Found);
        }
        else
        {
            SetException(failure);
        }
    }
}
