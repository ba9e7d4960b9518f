using System.Net.Sockets;
using System.Runtime.CompilerServices;
using UserSvc.Edge.Limits;
using UserSvc.Edge.Resilience;

namespace UserSvc.Edge.Direct;

/// <summary>A connection to an upstream, for one request at a time, with the bytes that it has received and nobody has consumed.</summary>
internal sealed class UpstreamConnection(Socket socket, UpstreamPool pool) : IDisposable
{
    /// <summary>As in HttpClient: the most bytes of an answer's head, or of its trailers.</summary>
    public const int MaxHead = 64 * 1024;

    private readonly RequestWriter _request = new();
    private byte[] _buffer = new byte[8 * 1024];
    private int _start, _end;
    private Attempts? _attempt;
    private bool _closed;

    public long Opened { get; } = Environment.TickCount64;

    public long IdleSince { get; private set; }

    /// <summary>Whether it has carried a request before this one.</summary>
    public bool IsReused => IdleSince > 0;

    /// <summary>Whether no byte has come since the request.</summary>
    public bool IsUnanswered { get; private set; } = true;

    public AnswerHead Head { get; } = new();

    public ReadOnlyMemory<byte> Received => _buffer.AsMemory(_start, _end - _start);

    /// <param name="request">The client's.</param>
    /// <param name="body">Null if it has none.</param>
    /// <param name="attempt">Told whenever something arrives.</param>
    public async ValueTask SendAsync(HttpRequest request, RequestBody? body, Attempts attempt)
    {
        (_attempt, IsUnanswered) = (attempt, true);
        var rest = _request.Write(request, pool, body?.Kept);
        await socket.SendAsync(_request.Bytes, SocketFlags.None);
        if (!rest.IsEmpty)
        {
            await socket.SendAsync(rest, SocketFlags.None);
        }
    }

    /// <summary>Receives the head of the answer, and skips interim ones.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask ReceiveHeadAsync(bool toHead)
    {
        do
        {
            int length;
            while ((length = Head.Parse(Received.Span, toHead)) == 0)
            {
                await ReceiveAsync();
            }

            Consume(length);
        }
        while (Head.Status < StatusCodes.Status200OK);
    }

    /// <exception cref="IOException">There is nothing more.</exception>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask ReceiveAsync()
    {
        if (!await TryReceiveAsync())
        {
            throw new IOException("The upstream closed the connection before the end of its answer.");
        }
    }

    /// <returns>False at the end.</returns>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> TryReceiveAsync()
    {
        if (_start == _end)
        {
            _start = _end = 0;
        }
        else if (_end == _buffer.Length)
        {
            var room = _start > 0 ? _buffer : _end < MaxHead ? new byte[2 * _end] : throw new InvalidAnswerException("The answer's head, or a line of its body, is too long.");
            Received.CopyTo(room);
            (_buffer, _start, _end) = (room, 0, _end - _start);
        }

        var count = await socket.ReceiveAsync(_buffer.AsMemory(_end), SocketFlags.None);
        _end += count;
        IsUnanswered &= count == 0;
        _attempt?.Touch();
        return count > 0;
    }

    public void Consume(int count) => _start += count;

    /// <summary>Closes an idle connection that is too old or on which something has arrived, if only its end.</summary>
    public bool Keep(bool young)
    {
        var keep = young && !socket.Poll(0, SelectMode.SelectRead);
        if (!keep)
        {
            Dispose();
        }

        return keep;
    }

    /// <summary>Ends a request: if its answer was read as a whole, the connection may wait for another one.</summary>
    public void Release(bool whole)
    {
        _attempt = null;
        // Bytes behind an answer belong to no request.
        if (whole && Head.KeepsAlive && _start == _end && !Volatile.Read(ref _closed))
        {
            IdleSince = Environment.TickCount64;
            pool.Return(this);
        }
        else
        {
            Dispose();
        }
    }

    /// <summary>Also ends what is going on, on whatever thread.</summary>
    public void Dispose()
    {
        if (!Interlocked.Exchange(ref _closed, true))
        {
            socket.Dispose();
            pool.Closed();
        }
    }
}
