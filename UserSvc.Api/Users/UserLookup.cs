using System.ComponentModel.DataAnnotations;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Options;
using Npgsql;
using UserSvc.Api.Database;
using UserSvc.ServiceDefaults;

namespace UserSvc.Api.Users;

/// <summary>Section <c>Lookup</c>.</summary>
internal sealed class UserLookupOptions
{
    /// <summary>The lookups that may wait for the query in flight; past it a lookup is refused with 503. Default 4096; 1 to 100,000.</summary>
    [Range(1, 100_000)]
    public int QueueLimit { get; set; } = 4096;

    /// <summary>The names in one query. Default 512; 1 to 10,000.</summary>
    [Range(1, 10_000)]
    public int BatchLimit { get; set; } = 512;
}

/// <summary>
/// Reads users by name over one connection. While a query is in flight, lookups gather; when it returns, all that have gathered go
/// as one. A lookup that finds the lane idle runs at once, on its caller's own path.
/// </summary>
/// <remarks>
/// A caller that gives up leaves the others alone: no caller's token reaches the connection. A failed query fails the callers it
/// carried, and the next one opens a new connection.
/// </remarks>
internal sealed class UserLookup(NpgsqlDataSource dataSource, DatabaseOutage outage, IOptions<UserLookupOptions> options, IMeterFactory meters) : IAsyncDisposable
{
    private static readonly ActivitySource Source = new("UserSvc.Api");

    private readonly Histogram<int> _batchSize = meters.Create("UserSvc.Api").CreateHistogram<int>("usersvc.lookup.batch.size", "{lookup}", "Lookups sent as one query");
    private readonly Lock _gate = new();
    private readonly LookupConnection _connection = new(dataSource, outage);
    private readonly int _queueLimit = options.Value.QueueLimit;
    private readonly int _batchLimit = options.Value.BatchLimit;
    private List<PendingLookup> _queue = [];
    private bool _busy;

    /// <returns>Null when there is no such user.</returns>
    /// <exception cref="UnavailableException">The database is away, or the queue is full.</exception>
    public ValueTask<User?> FindAsync(string name, CancellationToken cancellationToken) =>
        Activity.Current is { Recorded: true } ? FindTracedAsync(name, cancellationToken) : FindAsync(name, default, cancellationToken);

    /// <summary>The lookups that wait for the query in flight.</summary>
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
        var losses = outage.ThrowIfAway();
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

        return pending is null ? FindAloneAsync(name, losses) : new(pending.Task.WaitAsync(cancellationToken));
    }

    private async ValueTask<User?> FindAloneAsync(string name, int losses)
    {
        try
        {
            var user = await _connection.FindAsync(name);
            outage.Recovered();
            _batchSize.Record(1);
            return user;
        }
        catch (Exception e) when (DatabaseOutage.Is(e))
        {
            throw outage.Report(e, losses);
        }
        finally
        {
            if (TakeBatch() is { } batch)
            {
                // On the pool and without the caller's context: neither its answer nor its trace carries the others' queries.
                ThreadPool.UnsafeQueueUserWorkItem(static s => _ = s.Lane.RunAsync(s.Batch), (Lane: this, Batch: batch), preferLocal: false);
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
                // Sent before this batch's callers wake: the database works while they write their answers.
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

    // Never throws, or the lane would stand still for ever: what goes wrong is the callers' result.
    private async Task<Exception?> QueryAsync(List<PendingLookup> batch)
    {
        Activity? span = null;
        var losses = 0;
        try
        {
            // Those who gathered behind a query that failed would wait for its timeout once more.
            losses = outage.ThrowIfAway();
            span = StartBatchSpan(batch);
            await _connection.FindAsync(batch);
            outage.Recovered();
            _batchSize.Record(batch.Count);
            return null;
        }
        catch (Exception e)
        {
            span?.SetStatus(ActivityStatusCode.Error);
            return DatabaseOutage.Is(e) ? outage.Report(e, losses) : e;
        }
        finally
        {
            span?.Dispose();
        }
    }

    // A trace of its own, linked to the recorded requests it serves; none where there is no such request.
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

/// <summary>A lookup that waits in the lane's queue or is in flight.</summary>
internal sealed class PendingLookup(string name, ActivityContext span)
    : TaskCompletionSource<User?>(TaskCreationOptions.RunContinuationsAsynchronously)
{
    public string Name { get; } = name;

    /// <summary>The request's own span, to link to; default where the request is not recorded.</summary>
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
