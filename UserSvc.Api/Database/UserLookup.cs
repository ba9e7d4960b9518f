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
/// query. A lookup that finds the connection idle runs at once, as part of its caller.
/// </summary>
/// <remarks>
/// A caller that gives up does not affect the others: no caller's token reaches the connection. A failed query fails only the
/// callers it carried, and the next query opens a new connection.
/// </remarks>
internal sealed class UserLookup(NpgsqlDataSource dataSource, DatabaseOutage outage, IOptions<UserLookupOptions> options, IMeterFactory meters) : IAsyncDisposable
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
        Activity.Current is { Recorded: true } ? FindTracedAsync(name, cancellationToken) : FindAsync(name, default, cancellationToken);

    public int Waiting => _queue.Count;

    public ValueTask DisposeAsync() => _connection.DisposeAsync();

    private async ValueTask<User?> FindTracedAsync(string name, CancellationToken cancellationToken)
    {
        using var span = Source.StartActivity("lookup");
        try
        {
            return await FindAsync(name, span?.Context ?? default, cancellationToken);
        }
        catch (UnavailableException)
        {
            span?.SetStatus(ActivityStatusCode.Error);
            throw;
        }
    }

    private ValueTask<User?> FindAsync(string name, ActivityContext span, CancellationToken cancellationToken)
    {
        outage.ThrowIfDown();
        PendingLookup? pending = null;
        lock (_gate)
        {
            if (!_busy)
            {
                _busy = true;
            }
            else if (_queue.Count < _queueLimit)
            {
                pending = new(name, span);
                _queue.Add(pending);
            }
            else
            {
                throw new UnavailableException("Too many reads are waiting for the database.", overloaded: true);
            }
        }

        return pending is null ? FindAloneAsync(name) : new(pending.Task.WaitAsync(cancellationToken));
    }

    private async ValueTask<User?> FindAloneAsync(string name)
    {
        try
        {
            var user = await _connection.FindAsync(name);
            _batchSize.Record(1);
            return user;
        }
        finally
        {
            if (TakeBatch() is { } batch)
            {
                // On the thread pool, without the caller's context: the caller must not wait for the others' query, nor its trace contain it.
                ThreadPool.UnsafeQueueUserWorkItem(static s => _ = s.Lookup.RunAsync(s.Batch), (Lookup: this, Batch: batch), preferLocal: false);
            }
        }
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

    // Starts a new trace, linked to the recorded requests that the batch serves. Null when none is recorded.
    private static Activity? StartBatchSpan(List<PendingLookup> batch)
    {
        List<ActivityLink>? links = null;
        foreach (var pending in batch)
        {
            if (pending.Span != default)
            {
                (links ??= []).Add(new(pending.Span));
            }
        }

        return links is null ? null
            : Source.StartActivity("lookup batch", ActivityKind.Internal, parentContext: default, [new("usersvc.lookup.batch.size", batch.Count)], links);
    }
}

internal sealed class PendingLookup(string name, ActivityContext span)
    : TaskCompletionSource<User?>(TaskCreationOptions.RunContinuationsAsynchronously)
{
    public string Name { get; } = name;

    /// <summary>The request's span to link to; default when the request is not recorded.</summary>
    public ActivityContext Span { get; } = span;

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
